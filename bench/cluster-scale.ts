import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CERTIFICATE_NAME } from "../src/cluster/certificate.ts";
import { signingKeys } from "../src/cluster/link-key.ts";
import { splitAddress } from "../src/cluster/node-address.ts";
import { AUDIENCE_HEADER, UNKNOWN_AUDIENCE } from "../src/cluster/audience.ts";
import type { LeaderCalls } from "../src/cluster/node-endpoint.ts";
import type { RegisterRequest } from "../src/cluster/node-protocol.ts";
import { stateOf } from "../src/cluster/registry/test-registry.ts";
import { callSigner, SIGNED_HEADER } from "../src/cluster/signed-call.ts";
import { systemClock } from "../src/core/clock.ts";
import type { NodeState } from "../src/core/node.ts";
import { err, ok } from "../src/core/result.ts";
import { ConnectionPool } from "../src/http1/connection-pool.ts";
import { HEARTBEAT_TIMES, heartbeatLoop } from "../src/worker/heartbeat-loop.ts";
import { joinCluster } from "../src/worker/join-cluster.ts";
import { cpuMs, residentBytes } from "./process-cost.ts";

const WORKERS = 200;
const MODELS = 20;
const MEASURE_MS = 30_000;
/** One beat in so many tells of a change: a model loaded or unloaded, an engine started again. */
const CHANGES_EVERY = 50;
const FREE_BYTES = 32 * 1024 ** 3;
const JOIN_LANES = 8;

/** What a leader pays for the heartbeats of a large cluster: real processes, TLS, signatures; engines are made up. */
export async function scaleBench(root: string): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "flock-scale-"));
  const env = {
    ...process.env,
    BUN_CONFIG_MAX_HTTP_REQUESTS: "65336",
    FLOCK_DATA_DIR: dir,
    FLOCK_LISTEN: "127.0.0.1:0",
    FLOCK_CLUSTER_LISTEN: "127.0.0.1:0",
    FLOCK_ENGINE_EMBEDDED_THREADS: "1",
    FLOCK_ENGINE_EMBEDDED_GPU: "off",
  };
  const flock = [process.execPath, join(root, "src/main.ts")];
  const up = Bun.spawn([...flock, "up", "--detach", "--no-wizard"], { env, stdout: "ignore", stderr: "inherit" });
  if ((await up.exited) !== 0) throw new Error("the leader did not start");
  const workers: SimWorker[] = [];
  try {
    const { pid, url } = JSON.parse(readFileSync(join(dir, "leader.json"), "utf8")) as { pid: number; url: string };
    const key = readFileSync(join(dir, "admin.key"), "utf8").trim();
    const before = residentBytes([pid]);
    const names = Array.from({ length: WORKERS }, (_, at) => `sim-${at}`);
    const lane = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop())
        workers.push(await joinSimulated(url, key, name));
    };
    await Promise.all(Array.from({ length: JOIN_LANES }, lane));
    const over = new AbortController();
    const running = workers.map((worker) => worker.run(over.signal));
    // Until each has beaten once and knows its own moment.
    while (workers.some(({ beats }) => beats < 2)) await Bun.sleep(100);
    const [beats, bytes, cpu, startedMs] = [
      sum(workers, "beats"),
      sum(workers, "bytes"),
      cpuMs([pid]),
      performance.now(),
    ];
    await Bun.sleep(MEASURE_MS);
    const seconds = (performance.now() - startedMs) / 1000;
    const beaten = sum(workers, "beats") - beats;
    const size = (sum(workers, "bytes") - bytes) / beaten;
    const perSecond = beaten / seconds;
    const share = (cpuMs([pid]) - cpu) / (seconds * 10);
    const listed = await fetch(`${url}/admin/v1/nodes`, { headers: { authorization: `Bearer ${key}` } });
    const { nodes } = (await listed.json()) as { nodes: { state: string; models: unknown[] }[] };
    const ready = nodes.filter(({ state, models }) => state === "ready" && models.length === MODELS).length;
    over.abort();
    await Promise.all(running);
    console.log(`${WORKERS} workers with ${MODELS} models each on one leader, over ${seconds.toFixed(0)} s:`);
    console.log(
      `  heartbeats        ${perSecond.toFixed(1)} a second of ${size.toFixed(0)} bytes, each over its own TLS connection`,
    );
    console.log(
      `  leader's CPU      ${share.toFixed(2)} % of a core, ${((share * 10_000) / perSecond).toFixed(0)} µs a heartbeat (idle work included)`,
    );
    console.log(`  ready             ${ready} of ${WORKERS}`);
    console.log(`  leader's memory   ${((residentBytes([pid]) - before) / 1e6).toFixed(0)} MB more than without them`);
  } finally {
    for (const worker of workers) worker.close();
    await Bun.spawn([...flock, "down"], { env, stdout: "ignore", stderr: "ignore" }).exited;
    rmSync(dir, { recursive: true, force: true });
  }
}

interface SimWorker {
  readonly beats: number;
  readonly bytes: number;
  run(signal: AbortSignal): Promise<void>;
  close(): void;
}

async function joinSimulated(url: string, key: string, name: string): Promise<SimWorker> {
  const made = await fetch(`${url}/admin/v1/nodes/join-tokens`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: "{}",
  });
  const { token } = (await made.json()) as { token: string };
  const models = Array.from({ length: MODELS }, (_, at) => `model-${at}`);
  const { inventory } = stateOf(name, []);
  const machine = new Bun.CryptoHasher("sha256").update(name).digest("hex");
  const about = { machine, name, version: "sim", addresses: [], assign: false };
  const joined = await joinCluster(
    { host: "", token, clock: systemClock, about: { ...about, inventory: inventory as RegisterRequest["inventory"] } },
    AbortSignal.timeout(60_000),
  );
  if (!joined.ok) throw new Error(joined.error.message);
  const { node, linkPrivateKey, leader } = joined.value;
  const signer = callSigner({
    node,
    key: signingKeys(linkPrivateKey, leader.keys.linkKey).toLeader,
    clock: systemClock,
    life: crypto.randomUUID().replaceAll("-", "").slice(0, 16),
  });
  const { host, port } = splitAddress(leader.addresses[0] ?? "");
  const tls = { ca: leader.keys.certificate, serverName: CERTIFICATE_NAME };
  const pool = new ConnectionPool({ hostname: host, port, tls });
  let audience = UNKNOWN_AUDIENCE;
  const epoch = Date.now();
  let beats = 0;
  let bytes = 0;
  // As `leaderClient` does it, but with a connection for each: Bun's fetch would share some among all.
  const call: LeaderCalls["call"] = async (_method, path, value, signal) => {
    const body = JSON.stringify(value);
    for (;;) {
      const signed = signer.sign({ method: "POST", path, body }, audience);
      const headers = { "content-type": "application/json", [SIGNED_HEADER]: signed };
      const sent = await pool.request({ method: "POST", path, headers, body }, signal);
      if (!sent.ok) return err({ kind: "unreachable", message: `${name}: ${sent.error.cause}`, tried: [] });
      const answer = await sent.value.json();
      const other = sent.value.headers.get(AUDIENCE_HEADER);
      if (other === null) {
        bytes += body.length;
        if (!sent.value.ok) throw new Error(`${name}: ${JSON.stringify(answer)}`);
        return ok(answer);
      }
      audience = other;
    }
  };
  const state = (): NodeState => {
    const changes = Math.floor(beats / CHANGES_EVERY);
    const told = stateOf(node, changes % 2 === 0 ? models : models.toReversed(), changes + 1);
    return { ...told, inventory: { ...told.inventory, freeMemoryBytes: FREE_BYTES - beats * 4096 } };
  };
  const parts = {
    calls: { call },
    version: "sim",
    epoch,
    state,
    onChange: () => () => undefined,
    addresses: () => [],
    load: () => models.map((model) => ({ replica: `local/embedded/${model}`, running: beats % 3, waiting: 0 })),
    utilisation: () => Promise.resolve({ cpu: 0.5, gpu: null }),
    answered: () => {
      beats += 1;
    },
    registerAgain: () => Promise.resolve("unable" as const),
    random: Math.random,
    log: (message: string) => console.error(`${name}: ${message}`),
    times: HEARTBEAT_TIMES,
  };
  return {
    get beats() {
      return beats;
    },
    get bytes() {
      return bytes;
    },
    close: () => pool.close(),
    async run(signal) {
      await heartbeatLoop(parts, signal);
    },
  };
}

function sum(workers: readonly SimWorker[], of: "beats" | "bytes"): number {
  return workers.reduce((so, worker) => so + worker[of], 0);
}
