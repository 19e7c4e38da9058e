import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AUDIENCE_HEADER, UNKNOWN_AUDIENCE } from "../../src/cluster/audience.ts";
import { type LeaderIdentity, openLeaderIdentity } from "../../src/cluster/leader-identity.ts";
import { signingKeys } from "../../src/cluster/link-key.ts";
import type { NodeCredential } from "../../src/cluster/node-credential.ts";
import { type CallSigner, callSigner, SIGNED_HEADER } from "../../src/cluster/signed-call.ts";
import { systemClock } from "../../src/core/clock.ts";
import { pinnedFetch } from "../../src/worker/leader-client.ts";
import type { Door } from "./test-cluster.ts";

/** The keys of a leader's data directory. */
export function identityOf(dataDir: string): LeaderIdentity {
  const identity = openLeaderIdentity(dataDir, Date.now());
  if (!identity.ok) throw new Error(identity.error.message);
  return identity.value;
}

/** What a worker has of its leader. */
export function credentialOf(dataDir: string): NodeCredential {
  return JSON.parse(readFileSync(join(dataDir, "node.json"), "utf8")) as NodeCredential;
}

/** A side of a link as somebody would play it who has its keys. */
export interface Caller {
  readonly signer: CallSigner;
  /** What it knows the other side by, and shows of itself. */
  readonly tls: object;
}

function signerOf(node: string, key: Uint8Array): CallSigner {
  return callSigner({ node, key, clock: systemClock, life: crypto.randomUUID().replaceAll("-", "").slice(0, 16) });
}

export function asWorker(worker: { readonly dataDir: string }): Caller {
  const { node, leader, linkPrivateKey } = credentialOf(worker.dataDir);
  const { toLeader } = signingKeys(linkPrivateKey, leader.keys.linkKey);
  return { signer: signerOf(node, toLeader), tls: pinnedFetch(leader.keys.certificate) };
}

export function asLeader(leader: { readonly dataDir: string }, worker: { readonly dataDir: string }): Caller {
  const { node, keys } = credentialOf(worker.dataDir);
  const { certificate: cert, certificateKey: key, linkPrivateKey } = identityOf(leader.dataDir);
  const { toWorker } = signingKeys(linkPrivateKey, keys.linkKey);
  return { signer: signerOf(node, toWorker), tls: { ...pinnedFetch(keys.certificate), cert, key } };
}

export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  readonly signed?: string;
  readonly tls: object;
}

async function ask(door: Door, { method, path, body, signed, tls }: Call): Promise<Response | null> {
  return await fetch(`${door.url}${path}`, {
    method,
    keepalive: false,
    tls,
    headers: signed === undefined ? {} : { [SIGNED_HEADER]: signed },
    ...(body === undefined ? {} : { body }),
    ...(door.unix === undefined ? {} : { unix: door.unix }),
  }).catch(() => null);
}

/** Its status, and the code of a refusal; "closed": there was no answer. */
export async function send(door: Door, call: Call): Promise<string> {
  const answer = await ask(door, call);
  if (answer === null) return "closed";
  const said = (await answer.json().catch(() => null)) as { error?: { code?: string } } | null;
  return [answer.status, said?.error?.code].filter((part) => part !== undefined).join(" ");
}

/** To whom calls are made out there now: who makes one out to nobody is told. */
export async function audienceAt(door: Door, { signer, tls }: Caller): Promise<string> {
  const look = { method: "GET", path: "/v1/process", tls } as const;
  const answer = await ask(door, { ...look, signed: signer.sign({ ...look, body: "" }, UNKNOWN_AUDIENCE) });
  const audience = answer?.headers.get(AUDIENCE_HEADER);
  if (!audience) throw new Error(`nobody told: ${answer?.status ?? "no answer"}`);
  return audience;
}
