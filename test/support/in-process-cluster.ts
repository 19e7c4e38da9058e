import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EngineConnections } from "../../src/cluster/fetch-engine.ts";
import { JoinTokens } from "../../src/cluster/join-tokens.ts";
import { RegistrationProofs } from "../../src/cluster/registration-proof.ts";
import { type LeaderIdentity, openLeaderIdentity } from "../../src/cluster/leader-identity.ts";
import { makeCertificate } from "../../src/cluster/certificate.ts";
import { makeLinkKey, signingKeys } from "../../src/cluster/link-key.ts";
import type { NodeKeys } from "../../src/cluster/node-credential.ts";
import type { NodeHandlers } from "../../src/cluster/node-endpoint.ts";
import { type CallSigner, callSigner } from "../../src/cluster/signed-call.ts";
import { CallerCheck } from "../../src/cluster/transport/caller-check.ts";
import { LAN_TIMES } from "../../src/cluster/transport/lan-watch.ts";
import { leaderEndpoint } from "../../src/cluster/transport/leader-endpoint.ts";
import { NodeLinks } from "../../src/cluster/transport/node-links.ts";
import { type NodePort, openNodePort } from "../../src/cluster/transport/node-port.ts";
import { TICKET_WORD } from "../../src/cluster/transport/ticket-stream.ts";
import { STREAM_WORD, TUNNEL_WORD } from "../../src/cluster/transport/tunnel-frames.ts";
import { TUNNEL_TIMES } from "../../src/cluster/transport/tunnel-pool.ts";
import { tunnelServer } from "../../src/cluster/transport/tunnel-server.ts";
import { err, ok } from "../../src/core/result.ts";
import { InFlight } from "../../src/worker/in-flight.ts";
import { LeaderAudience } from "../../src/worker/leader-audience.ts";
import { LeaderCheck } from "../../src/worker/leader-check.ts";
import { leaderClient } from "../../src/worker/leader-client.ts";
import { ticketDoor } from "../../src/worker/ticket-door.ts";
import { DIAL_TIMES, TunnelDialer } from "../../src/worker/tunnel-dialer.ts";
import { serviceStreams, workerEndpoint, type WorkerEndpointParts } from "../../src/worker/worker-endpoint.ts";

/** Clocks that a test moves, one for each machine. */
class TestClock {
  aheadMs = 0;
  now = (): number => Date.now() + this.aheadMs;
  monotonicMs = (): number => performance.now();
}

export interface TestLeader extends AsyncDisposable {
  readonly dir: string;
  readonly clock: TestClock;
  readonly identity: LeaderIdentity;
  readonly links: NodeLinks;
  readonly port: NodePort;
  readonly address: string;
  /** To whom calls to it are made out. */
  readonly audience: string;
  readonly tokens: JoinTokens;
  readonly proofs: RegistrationProofs;
  /** Credentials as the registry would have them. */
  readonly known: Map<string, { keys: NodeKeys; next: NodeKeys | null; revoked: boolean }>;
  /** What the handlers were called with. */
  readonly seen: string[];
  readonly bugs: unknown[];
}

const newLife = (): string => crypto.randomUUID().replaceAll("-", "").slice(0, 16);

/** The transport's leader half with handlers that only note what they get. */
export async function startTestLeader(handlers: Partial<NodeHandlers> = {}): Promise<TestLeader> {
  const dir = mkdtempSync(join(tmpdir(), "flock-tl-"));
  const clock = new TestClock();
  const opened = openLeaderIdentity(dir, clock.now());
  if (!opened.ok) throw new Error(opened.error.message);
  const identity = opened.value;
  const known: TestLeader["known"] = new Map();
  const seen: string[] = [];
  const bugs: unknown[] = [];
  const used = new Map<string, boolean>();
  const tokens = new JoinTokens(
    identity,
    {
      add: async (id) => void used.set(id, false),
      spend: async (id) => {
        const before = used.get(id);
        used.set(id, true);
        return before === undefined ? "unknown" : before ? "used" : "spent";
      },
    },
    clock,
  );
  const local = { fetch: async () => err({ kind: "cancelled" as const }), call: async () => err(NO_LOCAL) };
  const links = new NodeLinks({
    localNode: "local",
    local,
    localPort: () => null,
    remote: {
      identity,
      clock,
      newLife,
      tunnelSocket: (node) => join(dir, `${node}.sock`),
      times: { tunnel: { ...TUNNEL_TIMES, pingMs: 300 }, lan: { ...LAN_TIMES, everyMs: 200, retryMs: [50, 200] } },
      onChange: () => undefined,
    },
  });
  const callers = new CallerCheck({
    directory: { keysOf: (node) => known.get(node) ?? null },
    linkPrivateKey: identity.linkPrivateKey,
    clock,
    audience: newLife(),
    rotated: (node) => {
      const entry = known.get(node);
      if (entry?.next) known.set(node, { ...entry, keys: entry.next, next: null });
      if (entry?.next) links.put({ node, keys: entry.next, addresses: [] });
      seen.push(`rotated ${node}`);
    },
    skewed: (node, why) => whole.skewed(node, why),
  });
  let address = "";
  const whole: NodeHandlers = {
    register: async (request) => {
      seen.push(`register ${request.name}`);
      const node = `n_${request.machine.slice(0, 8)}`;
      known.set(node, { keys: request.keys, next: null, revoked: false });
      links.put({ node, keys: request.keys, addresses: request.addresses });
      const { name, machine, assign } = request;
      const subject = { node, name, machine, assign, linkKey: request.keys.linkKey, since: clock.now() };
      return ok({ subject, heartbeatMs: 5_000 });
    },
    registerAgain: async (request, proven) => {
      seen.push(`register again ${proven.name}`);
      known.set(proven.node, { keys: request.keys, next: null, revoked: false });
      return ok({ subject: proven, heartbeatMs: 5_000 });
    },
    heartbeat: async (request, { node }) => {
      seen.push(`heartbeat ${node} ${request.sequence}`);
      return ok({ heartbeatMs: 5_000, drained: false, rotate: false });
    },
    leave: async ({ node }) => {
      seen.push(`leave ${node}`);
      return ok(undefined);
    },
    rotate: async ({ keys }, { node }) => {
      const entry = known.get(node);
      if (entry) known.set(node, { ...entry, next: keys });
      return ok({ node, name: node, machine: MACHINE, assign: true, linkKey: keys.linkKey, since: clock.now() });
    },
    rotated: () => undefined,
    skewed: () => undefined,
    admin: async (request, { node }) =>
      Response.json({ path: new URL(request.url).pathname, node, body: await request.text() }),
    ...handlers,
  };
  const proofs = new RegistrationProofs(identity, clock);
  const endpoint = leaderEndpoint({
    identity,
    proofs,
    version: "1.2.3",
    clock,
    tokens,
    callers,
    handlers: whole,
    addresses: () => [address],
    reportBug: (cause) => bugs.push(cause),
  });
  const port = openNodePort({
    listen: { host: "127.0.0.1", port: 0, otherPorts: false },
    tls: { certificate: identity.certificate, key: identity.certificateKey, client: null },
    socket: join(dir, "nodes.sock"),
    fetch: endpoint,
    lines: {
      [TUNNEL_WORD]: tunnelServer({
        callers,
        poolOf: (node) => links.poolOf(node),
        heard: (node, audience) => links.heard(node, audience),
        log: () => undefined,
      }),
    },
  });
  if (!port.ok) throw new Error(port.error);
  address = `127.0.0.1:${port.value.port}`;
  return {
    dir,
    clock,
    identity,
    links,
    port: port.value,
    address,
    audience: callers.audience,
    tokens,
    proofs,
    known,
    seen,
    bugs,
    async [Symbol.asyncDispose]() {
      links.close();
      await port.value.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Of every worker that is in the records without having joined. */
export const MACHINE = "ab".repeat(32);

const NO_LOCAL = { kind: "node_unreachable", message: "no local node", mend: "" } as const;

export interface TestWorker extends AsyncDisposable {
  readonly node: string;
  readonly clock: TestClock;
  readonly keys: NodeKeys;
  /** Of its certificate. */
  readonly certificateKey: string;
  readonly signer: CallSigner;
  readonly leader: ReturnType<typeof leaderClient>;
  /** What it knows of the leader's process. */
  readonly audience: LeaderAudience;
  readonly dialer: TunnelDialer;
  readonly port: NodePort;
  readonly refusals: string[];
  readonly check: LeaderCheck;
  readonly inFlight: InFlight;
  /** Signs with these from now on. */
  turn(linkPrivateKey: string): void;
}

export interface TestWorkerOptions {
  readonly node?: string;
  /** HTTP engine of this worker, with its id. */
  readonly engine?: { readonly id: string; readonly endpoint: string; readonly secret?: string };
  /** Listens on a port of its own, which the leader is told. */
  readonly lan?: boolean;
  readonly tunnel?: boolean;
  readonly call?: WorkerEndpointParts["call"];
}

/** The transport's worker half, in the leader's records without having joined. */
export async function startTestWorker(leader: TestLeader, options: TestWorkerOptions = {}): Promise<TestWorker> {
  const { node = "n_one", engine, lan = false, tunnel = true } = options;
  const clock = new TestClock();
  const { certificate, key } = makeCertificate(clock.now());
  const link = makeLinkKey();
  const keys = { linkKey: link.linkKey, certificate };
  const check = new LeaderCheck(node, leader.identity.linkKey, clock, newLife());
  const audience = new LeaderAudience(leader.identity.certificate);
  check.use(link.linkPrivateKey);
  const newSigner = (privateKey: string): CallSigner =>
    callSigner({ node, key: signingKeys(privateKey, leader.identity.linkKey).toLeader, clock, life: newLife() });
  let signer = newSigner(link.linkPrivateKey);
  const engines = new EngineConnections();
  const inFlight = new InFlight();
  const parts: WorkerEndpointParts = {
    node,
    version: "1.2.3",
    clock,
    check,
    inFlight,
    fetch: async (id, request, signal) =>
      id === engine?.id
        ? await engines.fetch({ start: "start it", secret: "", ...engine }, request, signal)
        : err({ kind: "engine_unreachable", engine: id, endpoint: "nowhere", start: "flock up" }),
    call: options.call ?? (async () => err(NO_LOCAL)),
    portOf: async (service) =>
      service === `engine/${engine?.id}` ? Number(new URL(engine?.endpoint ?? "").port) : null,
  };
  const opened = openNodePort({
    listen: lan ? { host: "127.0.0.1", port: 0, otherPorts: false } : null,
    tls: { certificate, key, client: leader.identity.certificate },
    socket: join(leader.dir, `${node}-http.sock`),
    fetch: workerEndpoint(parts),
    lines: { [STREAM_WORD]: serviceStreams(parts) },
    guests: { [TICKET_WORD]: ticketDoor(parts) },
  });
  if (!opened.ok) throw new Error(opened.error);
  const port = opened.value;
  const refusals: string[] = [];
  const dialer = new TunnelDialer({
    addresses: () => [leader.address],
    tls: { pinned: leader.identity.certificate },
    signer: () => signer,
    audience,
    ownAudience: check.audience,
    times: { ...DIAL_TIMES, retryMs: [20, 200] },
    accept: (socket) => port.accept(socket),
    refused: () => undefined,
    connected: () => undefined,
    log: (message) => refusals.push(message),
  });
  leader.known.set(node, { keys, next: null, revoked: false });
  leader.links.put({ node, keys, addresses: lan ? [`127.0.0.1:${port.port}`] : [] });
  if (tunnel) dialer.start();
  return {
    node,
    clock,
    keys,
    certificateKey: key,
    get signer() {
      return signer;
    },
    leader: leaderClient({
      certificate: leader.identity.certificate,
      addresses: () => [leader.address],
      signer: () => signer,
      audience,
      answered: () => undefined,
    }),
    audience,
    dialer,
    port,
    refusals,
    check,
    inFlight,
    turn(linkPrivateKey) {
      signer = newSigner(linkPrivateKey);
      check.use(linkPrivateKey);
    },
    async [Symbol.asyncDispose]() {
      await dialer.stop();
      await port.close();
      engines.close();
    },
  };
}
