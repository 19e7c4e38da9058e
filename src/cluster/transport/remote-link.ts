import { type CancelSignal, toAbortSignal } from "../../core/cancellation.ts";
import type { Clock } from "../../core/clock.ts";
import type { EngineAnswer } from "../../core/engine-answer.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { ConnectionPool } from "../../http1/connection-pool.ts";
import { type Audience, AUDIENCE_HEADER, MOST_TRIES, UNKNOWN_AUDIENCE } from "../audience.ts";
import { CERTIFICATE_NAME, fingerprintOf } from "../certificate.ts";
import type {
  ByteStream,
  LinkFailure,
  LinkKind,
  LinkRequest,
  NodeOperation,
  NodeService,
  RemoteNode,
  TicketService,
} from "../link.ts";
import { signingKeys } from "../link-key.ts";
import { splitAddress } from "../node-address.ts";
import { connectRaw } from "../raw-connect.ts";
import type { RawSocket } from "../raw-socket.ts";
import { type DirectWay, issueTicket, TICKET_TTL_MS } from "../ticket.ts";
import { type CallSigner, callSigner, SIGNED_HEADER } from "../signed-call.ts";
import { firstLine } from "./accept-node.ts";
import { readControlAnswer } from "./control-answer.ts";
import { readFirstLine } from "./json-lines.ts";
import { type LanTimes, watchLan } from "./lan-watch.ts";
import { FAILURE_HEADER, FRESH_HEADER, readFailure } from "./relayed-failure.ts";
import { toByteStream } from "./byte-stream.ts";
import { STREAM_METHOD, STREAM_WORD, streamPath, tunnelAnswer } from "./tunnel-frames.ts";
import { TunnelPool, type TunnelTimes } from "./tunnel-pool.ts";

/** What the leader's end of every link shares. */
export interface RemoteLinkParts {
  readonly identity: { readonly certificate: string; readonly certificateKey: string; readonly linkPrivateKey: string };
  readonly clock: Clock;
  /** Random: see `SignerParts.life`. */
  readonly newLife: () => string;
  /** Path of the Unix socket of a node's tunnel. */
  readonly tunnelSocket: (node: string) => string;
  readonly times: { readonly tunnel: TunnelTimes; readonly lan: LanTimes };
  readonly onChange: (node: string) => void;
}

const STREAM_CONNECT_MS = 10_000;

/** The leader's end of the link to one worker: by its own port where that can be reached, through its tunnel otherwise. */
export class RemoteLink {
  readonly node: string;
  readonly tunnel: TunnelPool;
  readonly #parts: RemoteLinkParts;
  readonly #closed = new AbortController();
  #cut = new AbortController();
  readonly #throughTunnel: ConnectionPool;
  #lan: { readonly address: string; readonly pool: ConnectionPool } | null = null;
  #record: RemoteNode;
  #signer: CallSigner;
  #audience: Audience = UNKNOWN_AUDIENCE;
  #watch: { stop(): void; failed(): void };

  constructor(record: RemoteNode, parts: RemoteLinkParts) {
    this.node = record.node;
    this.#parts = parts;
    this.#record = record;
    this.#signer = this.#newSigner();
    this.tunnel = new TunnelPool({
      socket: parts.tunnelSocket(record.node),
      times: parts.times.tunnel,
      onChange: () => {
        // A worker that ended took its port along: look at once rather than with the next round.
        if (!this.tunnel.alive && this.#lan !== null) this.#watch.failed();
        parts.onChange(record.node);
      },
    });
    this.#throughTunnel = new ConnectionPool({ unix: this.tunnel.path });
    this.#watch = this.#watchLan();
  }

  /** The node's record changed. */
  update(record: RemoteNode): void {
    const before = this.#record;
    this.#record = record;
    if (before.keys.linkKey !== record.keys.linkKey) this.#signer = this.#newSigner();
    const same = before.addresses.join() === record.addresses.join();
    if (same && before.keys.certificate === record.keys.certificate) return;
    this.#watch.stop();
    this.#watch = this.#watchLan();
  }

  /** The worker's process tells who it is as it dials its tunnel, and when it refuses a call of ours. */
  heard(audience: Audience): void {
    this.#audience = audience;
    // Of protocol 3, the node could not say so itself when its port was looked at.
    if (audience === null && this.#lan === null) this.#watch.failed();
  }

  kind(): LinkKind | null {
    if (this.#lan !== null) return "lan";
    return this.tunnel.alive ? "tunnel" : null;
  }

  async fetch(engineId: string, request: LinkRequest, cancel: CancelSignal): Promise<Result<EngineAnswer, Failure>> {
    const signal = toAbortSignal(cancel);
    const path = `/engine/${encodeURIComponent(engineId)}${request.path}`;
    const sent = await this.#send(path, request, null, signal);
    if (!sent.ok) {
      if (sent.error === "cancelled") return err({ kind: "cancelled" });
      if (sent.error === "broken")
        return err({ kind: "engine_failed", engine: engineId, cause: `node ${this.node} broke off the connection` });
      return err({ kind: "engine_unreachable", engine: engineId, endpoint: `node ${this.node}`, start: START });
    }
    if (sent.value.headers.get(FAILURE_HEADER) === null) return sent;
    return err(await readFailure(sent.value, engineId));
  }

  async call<Answer>(operation: NodeOperation<Answer>, signal: AbortSignal): Promise<Result<Answer, LinkFailure>> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(operation.timeoutMs)]);
    const body = operation.body === undefined ? "" : JSON.stringify(operation.body);
    const request = { method: operation.method, path: operation.path, fresh: true, ...(body === "" ? {} : { body }) };
    const sent = await this.#send(operation.path, request, body, limit);
    if (!sent.ok) {
      if (signal.aborted) return err({ kind: "cancelled", message: "broken off", mend: "flock node ls" });
      return err(this.#unreachable());
    }
    return await readControlAnswer(sent.value, operation, limit);
  }

  async connect(service: NodeService, signal: AbortSignal): Promise<Result<ByteStream, LinkFailure>> {
    const limit = AbortSignal.any([signal, this.#cut.signal, AbortSignal.timeout(STREAM_CONNECT_MS)]);
    for (let tries = 1; ; tries++) {
      const socket = await this.#rawConnection(limit);
      if (socket === null) return err(this.#unreachable());
      const call = { method: STREAM_METHOD, path: streamPath(service), body: null };
      socket.write(firstLine(STREAM_WORD, { service, signed: this.#signer.sign(call, this.#audience) }));
      const answer = tunnelAnswer.safeParse(await readFirstLine(socket, limit)).data;
      if (answer !== undefined && "ok" in answer) return ok(toByteStream(socket, signal));
      socket.destroy();
      if (answer === undefined) return err(this.#unreachable());
      const { message, mend, audience } = answer.error;
      if (audience === undefined || tries === MOST_TRIES) return err({ kind: "refused", message, mend });
      this.#audience = audience;
    }
  }

  /** Lets another node come to a service here by itself, for a few minutes. Null: this node listens nowhere. */
  directFor(caller: RemoteLink, service: TicketService, digest: string | null): DirectWay | null {
    const { node, addresses, keys } = this.#record;
    if (addresses.length === 0) return null;
    const { identity, clock } = this.#parts;
    const claims = {
      node,
      caller: caller.node,
      fingerprint: fingerprintOf(caller.#record.keys.certificate),
      service,
      digest,
      expiresAt: clock.now() + TICKET_TTL_MS,
    };
    const ticket = issueTicket(claims, signingKeys(identity.linkPrivateKey, keys.linkKey).tickets);
    return { node, addresses: [...addresses], certificate: keys.certificate, ticket };
  }

  /** Everything that is in flight fails now; what comes next is tried anew. */
  cut(): void {
    this.#cut.abort();
    this.#cut = new AbortController();
    this.tunnel.cut();
    this.#watch.failed();
  }

  close(): void {
    this.#closed.abort();
    this.#watch.stop();
    this.#cut.abort();
    this.#lan?.pool.close();
    this.#throughTunnel.close();
    this.tunnel.close();
  }

  async #send(
    path: string,
    request: LinkRequest,
    signedBody: string | null,
    signal: AbortSignal,
  ): Promise<Result<EngineAnswer, "cancelled" | "broken" | "unreachable">> {
    const over = AbortSignal.any([signal, this.#cut.signal]);
    // Twice at most: when the node's port is closed nothing was sent, and the tunnel may still be there.
    for (;;) {
      const lan = this.#lan;
      const pool = lan?.pool ?? (this.tunnel.alive ? this.#throughTunnel : null);
      if (pool === null) return err("unreachable");
      const answer = await this.#signed(pool, { ...request, path }, signedBody, over);
      if (answer.ok) return answer;
      if (signal.aborted) return err("cancelled");
      if (answer.error.kind !== "refused") return err("broken");
      if (lan === null) return err("unreachable");
      if (this.#lan === lan) this.#setLan(null);
      this.#watch.failed();
    }
  }

  /** Signed for the process that the node is; anew where it is another one by now, which has begun nothing then. */
  async #signed(pool: ConnectionPool, request: LinkRequest, signedBody: string | null, signal: AbortSignal) {
    const { method, path, body, fresh = false } = request;
    const own = fresh ? { ...request.headers, [FRESH_HEADER]: "1" } : request.headers;
    for (let tries = 1; ; tries++) {
      const signed = this.#signer.sign({ method, path, body: signedBody }, this.#audience);
      const headers = { ...own, [SIGNED_HEADER]: signed };
      const call = { method, path, headers, fresh, ...(body === undefined ? {} : { body }) };
      const answer = await pool.request(call, signal);
      const audience = answer.ok ? answer.value.headers.get(AUDIENCE_HEADER) : null;
      if (!answer.ok || audience === null) return answer;
      // To its end, so that the connection can be used again.
      await answer.value.bytes().catch(() => null);
      if (tries === MOST_TRIES) return err({ kind: "broken" as const });
      this.#audience = audience;
    }
  }

  async #rawConnection(signal: AbortSignal): Promise<RawSocket | null> {
    if (this.#lan !== null) {
      const { certificate, certificateKey } = this.#parts.identity;
      const tls = { pinned: this.#record.keys.certificate, own: { certificate, key: certificateKey } };
      const connected = await connectRaw({ ...splitAddress(this.#lan.address), tls }, signal);
      if (connected.ok) return connected.value;
    }
    return this.tunnel.alive ? await this.tunnel.take(signal) : null;
  }

  #lanPool(address: string): ConnectionPool {
    const { certificate, certificateKey } = this.#parts.identity;
    const { host: hostname, port } = splitAddress(address);
    // Its own certificate is the only root: no other gets through, whatever the address.
    const tls = { ca: this.#record.keys.certificate, cert: certificate, key: certificateKey };
    return new ConnectionPool({ hostname, port, tls: { ...tls, serverName: CERTIFICATE_NAME } });
  }

  #watchLan(): { stop(): void; failed(): void } {
    this.#setLan(null);
    const pools = new Map(this.#record.addresses.map((address) => [address, this.#lanPool(address)]));
    const ask = async (address: string, signal: AbortSignal): Promise<boolean> => {
      const pool = pools.get(address);
      if (pool === undefined) return false;
      const answer = await this.#signed(pool, { method: "GET", path: "/v1/hello" }, "", signal);
      return answer.ok && answer.value.ok && (await answer.value.json().catch(() => null)) !== null;
    };
    const watch = watchLan({
      addresses: this.#record.addresses,
      ask,
      times: this.#parts.times.lan,
      found: (address) => {
        if (address === (this.#lan?.address ?? null)) return;
        const lost = this.#lan !== null && address === null;
        this.#setLan(address);
        // What runs over a way that answers no more would hang until a limit of its own.
        if (lost) this.#cutRunning();
      },
    });
    const stop = (): void => {
      watch.stop();
      for (const pool of pools.values()) pool.close();
    };
    return { stop, failed: () => watch.failed() };
  }

  #cutRunning(): void {
    this.#cut.abort();
    this.#cut = new AbortController();
  }

  #setLan(address: string | null): void {
    if ((this.#lan?.address ?? null) === address) return;
    this.#lan?.pool.close();
    this.#lan = address === null ? null : { address, pool: this.#lanPool(address) };
    this.#parts.onChange(this.node);
  }

  #newSigner(): CallSigner {
    const { identity, clock, newLife } = this.#parts;
    const { toWorker } = signingKeys(identity.linkPrivateKey, this.#record.keys.linkKey);
    return callSigner({ node: this.node, key: toWorker, clock, life: newLife() });
  }

  #unreachable(): LinkFailure {
    return { kind: "node_unreachable", message: `node ${this.node} cannot be reached`, mend: START };
  }
}

/** The command that brings a worker back, typed there. */
const START = "flock join   # on that machine";
