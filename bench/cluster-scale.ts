import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CERTIFICATE_NAME } from "../src/cluster/certificate.ts";
import { signingKeys } from "../src/cluster/link-key.ts";
import { splitAddress } from "../src/cluster/node-address.ts";
import {
  heartbeatAnswer,
  helloAnswer,
  NODE_PATHS,
  NODE_PROTOCOL,
  type RegisterRequest,
} from "../src/cluster/node-protocol.ts";
import { stateOf } from "../src/cluster/registry/test-registry.ts";
import { callSigner, SIGNED_HEADER } from "../src/cluster/signed-call.ts";
import { systemClock } from "../src/core/clock.ts";
import { ConnectionPool } from "../src/http1/connection-pool.ts";
import { joinCluster } from "../src/worker/join-cluster.ts";
import { cpuMs, residentBytes } from "./process-cost.ts";

const WORKERS = 200;
const MODELS = 20;
const MEASURE_MS = 30_000;
/** One beat in so many tells of a change: a model loaded or unloaded, an engine started again. */
const CHANGES_EVERY = 50;
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
    const [beats, cpu, startedMs] = [total(workers), cpuMs([pid]), performance.now()];
    await Bun.sleep(MEASURE_MS);
    const seconds = (performance.now() - startedMs) / 1000;
    const perSecond = (total(workers) - beats) / seconds;
    const share = (cpuMs([pid]) - cpu) / (seconds * 10);
    const listed = await fetch(`${url}/admin/v1/nodes`, { headers: { authorization: `Bearer ${key}` } });
    const { nodes } = (await listed.json()) as { nodes: { state: string; models: unknown[] }[] };
    const ready = nodes.filter(({ state, models }) => state === "ready" && models.length === MODELS).length;
    over.abort();
    await Promise.all(running);
    const bytes = Math.round(workers.reduce((sum, worker) => sum + worker.bytes, 0) / total(workers));
    console.log(`${WORKERS} workers with ${MODELS} models each on one leader, over ${seconds.toFixed(0)} s:`);
    console.log(
      `  heartbeats        ${perSecond.toFixed(1)} a second of ${bytes} bytes, each over its own TLS connection`,
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
  const hello = await pool.request({ method: "GET", path: NODE_PATHS.hello, headers: {} }, AbortSignal.timeout(10_000));
  if (!hello.ok) throw new Error(JSON.stringify(hello.error));
  const { audience = null } = helloAnswer.parse(await hello.value.json());
  const epoch = Date.now();
  let beats = 0;
  let bytes = 0;
  return {
    get beats() {
      return beats;
    },
    get bytes() {
      return bytes;
    },
    close: () => pool.close(),
    async run(signal) {
      while (!signal.aborted) {
        const changes = Math.floor(beats / CHANGES_EVERY);
        const state = { ...stateOf(node, changes % 2 === 0 ? models : models.toReversed(), changes + 1) };
        const body = JSON.stringify({
          protocol: NODE_PROTOCOL,
          version: "sim",
          epoch,
          sequence: beats,
          addresses: [],
          state: { ...state, engines: state.engines.map((engine) => ({ ...engine, secret: "" })) },
          load: models.map((model) => ({ replica: `local/embedded/${model}`, running: beats % 3, waiting: 0 })),
          utilisation: { cpu: 0.5, gpu: null },
        });
        const headers = {
          "content-type": "application/json",
          [SIGNED_HEADER]: signer.sign({ method: "POST", path: NODE_PATHS.heartbeat, body }, audience),
        };
        const answer = await pool.request({ method: "POST", path: NODE_PATHS.heartbeat, headers, body }, signal);
        if (signal.aborted) return;
        if (!answer.ok || !answer.value.ok) throw new Error(`${name}: ${JSON.stringify(answer)}`);
        const { heartbeatMs } = heartbeatAnswer.parse(await answer.value.json());
        beats += 1;
        bytes += body.length;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, heartbeatMs);
          signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
        });
      }
    },
  };
}

function total(workers: readonly SimWorker[]): number {
  return workers.reduce((sum, { beats }) => sum + beats, 0);
}
