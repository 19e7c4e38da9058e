import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { err, ok, type Result } from "../core/result.ts";
import { fingerprintOf, makeCertificate } from "./certificate.ts";
import { makeLinkKey } from "./link-key.ts";
import { readPrivateFile, writePrivateFile } from "../core/private-file.ts";

/** Who a leader is to its workers: they know it by these keys and by nothing else. */
const leaderIdentity = z.strictObject({
  id: z.string().min(1),
  certificate: z.string(),
  certificateKey: z.string(),
  linkKey: z.string(),
  linkPrivateKey: z.string(),
  /** Signs join tokens. */
  tokenSecret: z.string().min(43),
  /** Where the node port was last, to be there again after a restart; 0: nowhere yet. */
  nodePort: z.number().int().min(0),
});
export type LeaderIdentity = z.infer<typeof leaderIdentity>;

export function identityPath(dataDir: string): string {
  return join(dataDir, "leader-identity.json");
}

/** Makes it at first use. The error is for a person: without this file every worker would have to join anew. */
export function openLeaderIdentity(
  dataDir: string,
  nowMs: number,
): Result<LeaderIdentity, { readonly message: string; readonly mend: string }> {
  const path = identityPath(dataDir);
  const text = readPrivateFile(path);
  if (text !== null) {
    const read = parse(text);
    if (read !== null) return ok(read);
    const message = `${path} holds no leader's keys any more`;
    return err({ message, mend: `put it back from a backup; or: rm ${path}   # then every worker has to join again` });
  }
  const { certificate, key } = makeCertificate(nowMs);
  const made: LeaderIdentity = {
    id: `l_${randomBytes(8).toString("hex")}`,
    certificate,
    certificateKey: key,
    ...makeLinkKey(),
    tokenSecret: randomBytes(32).toString("base64url"),
    nodePort: 0,
  };
  keepLeaderIdentity(dataDir, made);
  return ok(made);
}

export function keepLeaderIdentity(dataDir: string, identity: LeaderIdentity): void {
  writePrivateFile(identityPath(dataDir), `${JSON.stringify(identity, null, 2)}\n`);
}

function parse(text: string): LeaderIdentity | null {
  try {
    const read = leaderIdentity.parse(JSON.parse(text));
    fingerprintOf(read.certificate);
    return read;
  } catch {
    return null;
  }
}
