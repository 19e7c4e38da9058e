import { makeCertificate } from "../cluster/certificate.ts";
import type { ByteStream, LinkFailure, LinkRequest, NodeOperation, NodeService } from "../cluster/link.ts";
import { makeLinkKey, signingKeys } from "../cluster/link-key.ts";
import type { NodeCredential, RemovedFrom } from "../cluster/node-credential.ts";
import type { LeaderCalls } from "../cluster/node-endpoint.ts";
import { type HeartbeatAnswer, NODE_PATHS, rotateAnswer } from "../cluster/node-protocol.ts";
import { type CallSigner, callSigner } from "../cluster/signed-call.ts";
import type { DirectWay } from "../cluster/ticket.ts";
import { toByteStream } from "../cluster/transport/byte-stream.ts";
import { type NodePort, openNodePort } from "../cluster/transport/node-port.ts";
import { openDirect, TICKET_WORD } from "../cluster/transport/ticket-stream.ts";
import { STREAM_WORD } from "../cluster/transport/tunnel-frames.ts";
import type { Clock } from "../core/clock.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import { InFlight } from "./in-flight.ts";
import { LeaderAudience } from "./leader-audience.ts";
import { LeaderCheck } from "./leader-check.ts";
import { leaderClient } from "./leader-client.ts";
import { ticketDoor } from "./ticket-door.ts";
import { DIAL_TIMES, TunnelDialer } from "./tunnel-dialer.ts";
import { serviceStreams, workerEndpoint, type WorkerEndpointParts } from "./worker-endpoint.ts";

export interface WorkerLinkParts {
  readonly credential: NodeCredential;
  readonly keep: (credential: NodeCredential | RemovedFrom) => void;
  readonly version: string;
  readonly clock: Clock;
  readonly newLife: () => string;
  /** Null: this machine's port is closed to others, the leader comes through the tunnel alone. */
  readonly listen: { readonly host: string; readonly port: number; readonly otherPorts: boolean } | null;
  /** Path of the Unix socket behind the port. */
  readonly socket: string;
  readonly fetch: (
    engineId: string,
    request: LinkRequest,
    signal: AbortSignal,
  ) => Promise<Result<EngineAnswer, Failure>>;
  readonly call: <Answer>(
    operation: NodeOperation<Answer>,
    signal: AbortSignal,
  ) => Promise<Result<Answer, LinkFailure>>;
  readonly portOf: (service: NodeService) => Promise<number | null>;
  /** The leader does not take this node's connections, or takes them again: tell it all, and hear what it says. */
  readonly dialled: () => void;
  readonly log: (message: string) => void;
}

/** A worker's end of the link to its leader: its port, its tunnel and its calls, under a credential that may change. */
export interface WorkerLink {
  readonly calls: LeaderCalls;
  readonly inFlight: InFlight;
  /** Of this machine's port; 0: there is none. */
  readonly port: number;
  credential(): NodeCredential;
  /** Bytes of a file from the node that has it, without the leader. The error says why not. */
  dial(
    way: DirectWay,
    part: number,
    from: number,
    signal: AbortSignal,
  ): Promise<Result<ByteStream["readable"], string>>;
  /** What the leader said with a heartbeat. */
  heard(answer: HeartbeatAnswer): void;
  /** The leader knows this node again, by its present credential: that is renewed, and the leader dialled at once. */
  registered(linkKey: string, proof: string): void;
  /** A person took this node out: its credential is kept no longer. */
  remove(removed: RemovedFrom["removed"]): void;
  close(): Promise<void>;
}

export function openWorkerLink(parts: WorkerLinkParts): Result<WorkerLink, string> {
  const { clock, version, newLife } = parts;
  let credential = parts.credential;
  const { node, leader } = credential;
  const check = new LeaderCheck(node, leader.keys.linkKey, clock, newLife());
  const audience = new LeaderAudience(leader.keys.certificate);
  const newSigner = (privateKey: string): CallSigner =>
    callSigner({ node, key: signingKeys(privateKey, leader.keys.linkKey).toLeader, clock, life: newLife() });
  let signer = newSigner(credential.linkPrivateKey);
  check.use(credential.linkPrivateKey);
  let removed = false;
  /** False: the disk did not take it. A worker goes on meanwhile. */
  const kept = (changed: NodeCredential | RemovedFrom): boolean => {
    try {
      parts.keep(changed);
      return true;
    } catch (cause) {
      parts.log(`the node credential cannot be kept: ${cause instanceof Error ? cause.message : String(cause)}`);
      return false;
    }
  };
  const keep = (changed: NodeCredential): void => {
    credential = changed;
    if (!removed) kept(changed);
  };
  const putFirst = (address: string): void => {
    const { addresses } = credential.leader;
    if (addresses[0] === address) return;
    const others = addresses.filter((other) => other !== address);
    keep({ ...credential, leader: { ...credential.leader, addresses: [address, ...others] } });
  };
  const calls = leaderClient({
    certificate: leader.keys.certificate,
    addresses: () => credential.leader.addresses,
    signer: () => signer,
    audience,
    answered: putFirst,
  });
  const inFlight = new InFlight();
  const endpoint: WorkerEndpointParts = { ...parts, node, version, check, inFlight };
  const opened = openNodePort({
    listen: parts.listen,
    tls: { certificate: credential.keys.certificate, key: credential.certificateKey, client: leader.keys.certificate },
    socket: parts.socket,
    fetch: workerEndpoint(endpoint),
    lines: { [STREAM_WORD]: serviceStreams(endpoint) },
    guests: { [TICKET_WORD]: ticketDoor(endpoint) },
  });
  if (!opened.ok) return err(opened.error);
  const port: NodePort = opened.value;
  const dialer = new TunnelDialer({
    addresses: () => credential.leader.addresses,
    tls: { pinned: leader.keys.certificate },
    signer: () => signer,
    audience,
    ownAudience: check.audience,
    times: DIAL_TIMES,
    accept: (socket) => port.accept(socket),
    refused: () => parts.dialled(),
    connected(address) {
      putFirst(address);
      parts.dialled();
    },
    log: (message) => parts.log(message),
  });
  dialer.start();

  const closing = new AbortController();
  let rotating = false;
  // One of before there were proofs gets one with its next credential.
  let renew = credential.proof === null;
  const rotate = async (): Promise<void> => {
    const { certificate, key } = makeCertificate(clock.now());
    const link = makeLinkKey();
    const keys = { linkKey: link.linkKey, certificate };
    const taken = await calls.call("POST", NODE_PATHS.rotate, { keys }, closing.signal);
    if (!taken.ok) return parts.log(`the credential could not be renewed: ${taken.error.message}`);
    const proof = rotateAnswer.safeParse(taken.value).data?.proof ?? null;
    const renewed = { ...credential, keys, certificateKey: key, linkPrivateKey: link.linkPrivateKey, proof };
    // Kept before its first use: from then on the leader takes no other. Not used, it is asked for again.
    if (removed || !kept(renewed)) return;
    credential = renewed;
    renew = false;
    check.use(link.linkPrivateKey);
    port.show(certificate, key);
    signer = newSigner(link.linkPrivateKey);
    parts.log("the node credential was renewed");
  };
  return ok({
    calls,
    inFlight,
    port: port.port,
    credential: () => credential,
    async dial(way, part, from, signal) {
      const { keys, certificateKey } = credential;
      const own = { certificate: keys.certificate, key: certificateKey };
      const opened = await openDirect(way, own, { part, from }, signal);
      return opened.ok ? ok(toByteStream(opened.value, signal).readable) : opened;
    },
    heard(answer) {
      const { addresses } = credential.leader;
      // One of protocol 1 does not say where it is.
      const silent = answer.addresses.length === 0;
      const added = answer.addresses.filter((address) => !addresses.includes(address));
      const gone = addresses.slice(1).filter((address) => !answer.addresses.includes(address));
      if (!silent && added.length + gone.length > 0) {
        // The first is the one that works: it stays, though the leader may know itself by others.
        const known = [...addresses.slice(0, 1), ...answer.addresses];
        keep({ ...credential, leader: { ...credential.leader, addresses: [...new Set(known)] } });
      }
      if (!(answer.rotate || renew) || rotating) return;
      rotating = true;
      void rotate().finally(() => {
        rotating = false;
      });
    },
    registered(linkKey, proof) {
      // A rotation that ended meanwhile has brought a newer one.
      if (linkKey === credential.keys.linkKey) keep({ ...credential, proof });
      renew = true;
      dialer.hurry();
    },
    remove(why) {
      removed = true;
      const { id, addresses } = credential.leader;
      kept({ node, leader: { id, addresses }, removed: why });
    },
    async close() {
      closing.abort();
      await dialer.stop();
      await port.close();
    },
  });
}
