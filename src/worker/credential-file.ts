import { join } from "node:path";
import { z } from "zod";
import { fingerprintOf } from "../cluster/certificate.ts";
import { isLinkKey } from "../cluster/link-key.ts";
import type { NodeCredential, RemovedFrom } from "../cluster/node-credential.ts";
import { readPrivateFile, writePrivateFile } from "../core/private-file.ts";
import { err, ok, type Result } from "../core/result.ts";

const publicKeys = z.strictObject({
  linkKey: z.string().refine(isLinkKey, "no X25519 key"),
  certificate: z.string().refine(isCertificate, "no certificate"),
});

const credentialFile = z.strictObject({
  node: z.string().min(1),
  keys: publicKeys,
  certificateKey: z.string().min(1),
  linkPrivateKey: z.string().min(1),
  leader: z.strictObject({ id: z.string().min(1), keys: publicKeys, addresses: z.array(z.string()) }),
  // Files of before protocol 3 have none.
  proof: z.string().nullable().default(null),
});

const removedFile = z.strictObject({
  node: z.string().min(1),
  leader: z.strictObject({ id: z.string().min(1), addresses: z.array(z.string()) }),
  removed: z.strictObject({ at: z.number().int(), message: z.string(), mend: z.string() }),
});

export function credentialPath(dataDir: string): string {
  return join(dataDir, "node.json");
}

interface CredentialProblem {
  readonly message: string;
  readonly mend: string;
}

/** Null: this machine belongs to no cluster. The error is for a person. */
export function readCredential(dataDir: string): Result<NodeCredential | null, CredentialProblem> {
  const read = readMembership(dataDir);
  if (!read.ok || read.value === null || !("removed" in read.value)) return read as Result<NodeCredential, never>;
  const { message, mend } = read.value.removed;
  return err({ message, mend: `${mend}; or flock leave, to run without a cluster` });
}

/** Also of a machine that was taken out of its cluster. */
export function readMembership(dataDir: string): Result<NodeCredential | RemovedFrom | null, CredentialProblem> {
  const path = credentialPath(dataDir);
  const text = readPrivateFile(path);
  if (text === null) return ok(null);
  try {
    return ok(z.union([credentialFile, removedFile]).parse(JSON.parse(text)));
  } catch {
    const message = `${path} holds no node credential any more`;
    return err({
      message,
      mend: `rm ${path}; flock token create --node   # the latter at the leader, then flock join`,
    });
  }
}

/** For this user alone: who has it is this node. */
export function keepCredential(dataDir: string, credential: NodeCredential): void {
  writePrivateFile(credentialPath(dataDir), `${JSON.stringify(credential, null, 2)}\n`);
}

/** In place of the credential: what was removed once must not come back, whatever its leader remembers later. */
export function keepRemoved(dataDir: string, removed: RemovedFrom): void {
  writePrivateFile(credentialPath(dataDir), `${JSON.stringify(removed, null, 2)}\n`);
}

function isCertificate(text: string): boolean {
  try {
    return fingerprintOf(text) !== "";
  } catch {
    return false;
  }
}
