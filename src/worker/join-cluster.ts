import { X509Certificate } from "node:crypto";
import { makeCertificate } from "../cluster/certificate.ts";
import { addressesToTry } from "../cluster/join-url.ts";
import type { JoinTokenClaims } from "../cluster/join-token.ts";
import { readJoinToken } from "../cluster/join-tokens.ts";
import { makeLinkKey } from "../cluster/link-key.ts";
import type { NodeCredential } from "../cluster/node-credential.ts";
import {
  helloAnswer,
  NODE_PATHS,
  NODE_PROTOCOL,
  registerAnswer,
  type RegisterRequest,
} from "../cluster/node-protocol.ts";
import { clockSkew, MAX_SKEW_MS, SET_CLOCK } from "../cluster/signed-call.ts";
import { commonProtocol } from "../cluster/transport/tunnel-frames.ts";
import { protocolRefusal } from "../cluster/transport/tunnel-server.ts";
import type { Clock } from "../core/clock.ts";
import { err, ok, type Result } from "../core/result.ts";
import { fetchCertificate } from "./fetch-certificate.ts";
import { pinnedFetch, readLeaderAnswer, wrongClock } from "./leader-client.ts";

/** Why this machine did not join, in one line, and the command that mends it. */
export interface JoinProblem {
  readonly message: string;
  readonly mend: string;
}

export interface JoinRequest {
  /** As it was typed; "": the token's addresses alone. */
  readonly host: string;
  readonly token: string;
  /** What the leader is told of this machine. Keys are made here. */
  readonly about: Omit<RegisterRequest, "protocol" | "keys">;
  readonly clock: Clock;
}

/** A leader may be busy; an address that swallows packets holds nobody up where another one answers. */
const CONTACT_MS = 15_000;
const REGISTER_MS = 20_000;
const NEW_TOKEN = "flock token create --node   # at the leader";

/** Makes this machine a node of the leader that made the token: finds it, makes sure that it is the one, registers. */
export async function joinCluster(
  { host, token, about, clock }: JoinRequest,
  signal: AbortSignal,
): Promise<Result<NodeCredential, JoinProblem>> {
  const claims = readJoinToken(token);
  if (claims === null) return err({ message: "that is no join token, or not all of it", mend: NEW_TOKEN });
  const found = await findLeader(addressesToTry(host, claims.addresses), claims, signal);
  if (!found.ok) return found;
  const { address, certificate } = found.value;
  const { validFrom, validTo } = new X509Certificate(certificate);
  const now = clock.now();
  // No connection would come about. A clock that is a little off is found below.
  if (now < Date.parse(validFrom) || now > Date.parse(validTo))
    return err({ message: wrongClock(new Date(now)), mend: SET_CLOCK });
  const hello = await helloOf(address, certificate, signal);
  if (!hello.ok) return hello;
  const aheadMs = clock.now() - hello.value.at;
  if (Math.abs(aheadMs) > MAX_SKEW_MS) return err(clockSkew(aheadMs, "worker"));
  if (commonProtocol(hello.value) === null) return err(protocolRefusal(hello.value.protocol));

  const own = makeCertificate(clock.now());
  const link = makeLinkKey();
  const keys = { linkKey: link.linkKey, certificate: own.certificate };
  const protocol = Math.min(NODE_PROTOCOL, hello.value.protocol);
  const registered = await register(address, certificate, token, { ...about, protocol, keys }, signal);
  if (!registered.ok) return registered;
  const { node, leader, proof } = registered.value;
  return ok({
    node,
    keys,
    certificateKey: own.key,
    linkPrivateKey: link.linkPrivateKey,
    leader: { ...leader, addresses: [...new Set([address, ...leader.addresses])] },
    proof,
  });
}

/** All addresses at once: the first that answers as the token's leader is it. */
async function findLeader(
  addresses: readonly string[],
  claims: JoinTokenClaims,
  signal: AbortSignal,
): Promise<Result<{ readonly address: string; readonly certificate: string }, JoinProblem>> {
  const found = new AbortController();
  const limit = AbortSignal.any([signal, found.signal, AbortSignal.timeout(CONTACT_MS)]);
  const tries = addresses.map(async (address) => ({
    address,
    got: await fetchCertificate(address, claims.fingerprint, limit),
  }));
  const answers = tries.map(async (attempt) => {
    const { address, got } = await attempt;
    if (!got.ok) throw new Error(got.error.reason);
    return { address, certificate: got.value };
  });
  const first = await Promise.any(answers).catch(() => null);
  found.abort();
  if (first !== null) return ok(first);
  const tried = await Promise.all(tries);
  const where = tried.map(({ address, got }) => `${address} (${got.ok ? "" : got.error.reason})`).join(", ");
  if (tried.some(({ got }) => !got.ok && got.error.kind === "other")) {
    const message = `the leader that answers is not the one that made this token; tried ${where}`;
    return err({ message, mend: "flock token create --node   # at the leader that this machine shall join" });
  }
  const message = `the leader cannot be reached; tried ${where}`;
  return err({
    message,
    mend: "flock status   # at the leader: does it run, and does its firewall let these ports in?",
  });
}

async function helloOf(address: string, certificate: string, signal: AbortSignal) {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CONTACT_MS)]);
  const answer = await fetch(`https://${address}${NODE_PATHS.hello}`, { tls: pinnedFetch(certificate), signal: limit })
    .then((response) => response.json())
    .catch(() => null);
  const hello = helloAnswer.safeParse(answer);
  if (hello.success) return ok(hello.data);
  return err({ message: `the leader at ${address} does not answer as one`, mend: "flock status   # at the leader" });
}

async function register(
  address: string,
  certificate: string,
  token: string,
  body: RegisterRequest,
  signal: AbortSignal,
) {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(REGISTER_MS)]);
  let response: Response;
  try {
    response = await fetch(`https://${address}${NODE_PATHS.register}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      tls: pinnedFetch(certificate),
      signal: limit,
      keepalive: false,
    });
  } catch {
    return err({ message: `the leader at ${address} broke off the registration`, mend: NEW_TOKEN });
  }
  const answer = await readLeaderAnswer(response);
  if (!answer.ok) {
    const { error } = answer;
    return err({ message: error.message, mend: error.kind === "refused" ? error.mend : NEW_TOKEN });
  }
  const registered = registerAnswer.safeParse(answer.value).data;
  if (registered !== undefined) return ok(registered);
  return err({ message: "the leader's answer is not understood", mend: "flock update   # here and at the leader" });
}
