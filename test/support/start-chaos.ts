import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { AttachedEngine } from "../../src/agent/attached-engine.ts";
import { EngineRecords } from "../../src/agent/engine-record.ts";
import type { EngineSource } from "../../src/agent/engine-source.ts";
import { ManagedEngine } from "../../src/agent/managed-engine.ts";
import { StoppedEngines } from "../../src/agent/stopped-engines.ts";
import type { SupervisorTimes } from "../../src/agent/supervisor-times.ts";
import type { NodeOperation } from "../../src/cluster/link.ts";
import { EngineConnections } from "../../src/cluster/fetch-engine.ts";
import { checkBody } from "../../src/cluster/agent-protocol.ts";
import { watchedReplicas } from "../../src/compose/leader/replicas.ts";
import { systemClock } from "../../src/core/clock.ts";
import { ANONYMOUS } from "../../src/core/principal.ts";
import { err, ok } from "../../src/core/result.ts";
import type { UsageRecord } from "../../src/core/usage-record.ts";
import { embeddedLaunch, embeddedManager } from "../../src/engine/embedded/manage.ts";
import { llamaCppManager } from "../../src/engine/llama-cpp/manage.ts";
import { DEFAULT_LIMITS, type GatewayDeps } from "../../src/gateway/ports.ts";
import type { HealthTimes } from "../../src/health/health-times.ts";
import { ModelDirectory } from "../../src/routing/model-directory.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { gatewayApp } from "./gateway-app.ts";

/** A tenth of a second here is what ten seconds are in earnest; what a busy machine may take stays generous. */
const CHAOS_HEALTH: HealthTimes = {
  tickMs: 25,
  doubtMs: 300,
  noTokenMs: 600,
  blindNoTokenMs: 1_500,
  failures: 3,
  shutMs: 100,
  mostShutMs: 1_000,
  goneSilentMs: 500,
  checkPauseMs: 50,
  idleProbeMs: 3_600_000,
  probeTimeoutMs: 5_000,
};

const CHAOS_SUPERVISOR: SupervisorTimes = {
  backoffMs: [20, 20, 20, 20, 20],
  stableMs: 200,
  readyPollMs: 10,
  healthEveryMs: 1_000,
  healthTimeoutMs: 800,
  healthAgainMs: 50,
  healthFailures: 3,
  stopGraceMs: 1_000,
  hungGraceMs: 50,
  adoptedPollMs: 20,
};

/** `own`: a child that Flock starts, with a real model. Else the endpoint of an engine that "a person" started. */
export type ChaosEngine = "own" | { readonly url: string };

export interface Chaos {
  readonly engines: readonly EngineSource[];
  readonly records: readonly UsageRecord[];
  /** Of the engine's process now. */
  pid(at: number): number;
  /** Streams one answer of so many tokens and says how it ended. */
  ask(tokens: number): Promise<Outcome>;
  /** The same in one piece. */
  askWhole(tokens: number): Promise<Outcome>;
  stop(): Promise<void>;
}

export interface Outcome {
  readonly status: number;
  readonly frames: number;
  /** The stream's end: `[DONE]`, an error frame, or neither. */
  readonly end: "done" | "error" | "broken";
  readonly replica: string | null;
}

/** What the issue asks of every request: whole, or begun and then ended by a proper error. Never lost before that. */
export function isLost({ status, frames, end }: Outcome): boolean {
  return status !== 200 || end === "broken" || (end === "error" && frames === 0);
}

/** The real gateway, board, watch and supervisors over real engine processes that all serve the model `tiny`. */
export async function startChaos(kinds: readonly ChaosEngine[]): Promise<Chaos> {
  const dataDir = mkdtempSync(join(tmpdir(), "flock-chaos-"));
  const modelPath = join(dataDir, "tiny.gguf");
  await writeTinyModel(modelPath, { kind: "random", seed: 7 }, { contextTokens: 4096 });
  const records: UsageRecord[] = [];
  let version = 0;
  const engines: EngineSource[] = [];
  const connections = new EngineConnections();
  const onChange = (): void => models.update({ ...NODE, engines: statuses(), replicas: offered(), version: version++ });
  const statuses = () => engines.map((engine) => engine.status());
  const offered = () => engines.flatMap((engine) => engine.replicas());
  const replicas = watchedReplicas({
    localNode: "local",
    limits: { ...DEFAULT_LIMITS, replicaWaitMs: 20_000 },
    stickySessions: true,
    p95LimitMs: 0,
    severalKeys: () => false,
    onDecision: null,
    times: CHAOS_HEALTH,
    async call<Answer>(_node: string, operation: NodeOperation<Answer>) {
      const id = /^\/v1\/engines\/([^/]+)\/check$/.exec(operation.path)?.[1];
      const engine = engines.find((one) => one.id === id);
      if (engine === undefined) throw new Error(`no engine for ${operation.path}`);
      const read = operation.read(await engine.check(checkBody.parse(operation.body)));
      return read ? ok(read.value) : err({ kind: "refused" as const, message: "not understood", mend: "" });
    },
    link: () => gateway.link,
    log: () => undefined,
  });
  const models = new ModelDirectory(replicas.board, "tiny");
  const engineRecords = new EngineRecords(dataDir);
  for (const [at, kind] of kinds.entries()) {
    const id = `e${at}`;
    if (kind === "own") {
      const spec = embeddedLaunch({
        id,
        modelPath,
        modelId: "tiny",
        modelBytes: 0,
        contextTokens: 1024,
        slots: 4,
        threads: 1,
        gpu: "off",
        childCommand: [process.execPath, join(import.meta.dir, "../../src/engine/embedded/child.ts")],
        childEnv: { PATH: "/usr/bin:/bin" },
        cwd: dataDir,
      });
      const parts = {
        records: engineRecords,
        logPath: join(dataDir, `${id}.log`),
        clock: systemClock,
        times: CHAOS_SUPERVISOR,
        log: () => undefined,
        onChange,
        stopped: new StoppedEngines(dataDir),
      };
      engines.push(new ManagedEngine("local", spec, ["tiny"], embeddedManager, parts));
    } else {
      const times = { probeEveryMs: 100, probeTimeoutMs: 800 };
      const parts = { clock: systemClock, times, onChange };
      engines.push(new AttachedEngine("local", { url: kind.url, secret: "" }, llamaCppManager, parts));
    }
  }
  const metrics = new Metrics();
  const gateway: GatewayDeps = {
    keys: { find: () => ok(ANONYMOUS) },
    models,
    policies: [],
    standings: { of: () => ({ requests: null, tokens: null }) },
    replicas: replicas.picker,
    detours: replicas.detours,
    link: {
      async fetch(replica, path, { body, fresh, signal }) {
        const engine = engines.find(({ id }) => id === replica.engineId);
        if (!engine) throw new Error(`no engine ${replica.engineId}`);
        const headers = { "content-type": "application/json" };
        return connections.fetch(engine.status(), { method: "POST", path, headers, body, fresh }, signal);
      },
      describe: () => ({ endpoint: "there", start: "flock up" }),
    },
    usage: {
      async append(record) {
        records.push(record);
        return await Promise.resolve();
      },
    },
    metrics,
    log: { debug: () => undefined, warn: () => undefined, error: (message, fields) => console.error(message, fields) },
    limits: DEFAULT_LIMITS,
    node: "local",
  };
  const { board } = replicas;
  const app = gatewayApp({
    gateway,
    keyless: true,
    models,
    board,
    router: replicas.router,
    metrics,
    clock: systemClock,
  });
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: (req) => app.fetch(req, {}) });
  for (const engine of engines) engine.start();
  replicas.start();
  await until("all engines serve", () => offered().length === kinds.length);
  const post = (body: object): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}/v1/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "tiny", messages: [{ role: "user", content: "go" }], temperature: 0, ...body }),
    });
  return {
    engines,
    records,
    pid(at) {
      const pid = engines[at]?.status().pid;
      if (typeof pid !== "number") throw new Error(`engine ${at} has no process`);
      return pid;
    },
    async ask(tokens) {
      return await readStream(await post({ stream: true, max_tokens: tokens }));
    },
    async askWhole(tokens) {
      const answer = await post({ max_tokens: tokens });
      const body = (await answer.json()) as { choices?: unknown[] };
      const end = body.choices === undefined ? "error" : "done";
      return { status: answer.status, frames: end === "done" ? 1 : 0, end, replica: replicaOf(answer) };
    },
    async stop() {
      replicas.stop();
      await server.stop(true);
      await Promise.all(engines.map((engine) => engine.stop()));
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function readStream(answer: Response): Promise<Outcome> {
  const text = await answer.text().catch(() => "");
  const frames = text.match(/"(content|reasoning_content)":"[^"]/g)?.length ?? 0;
  const end = text.includes("data: [DONE]") ? "done" : text.includes('data: {"error"') ? "error" : "broken";
  return { status: answer.status, frames, end, replica: replicaOf(answer) };
}

function replicaOf(answer: Response): string | null {
  return answer.headers.get("x-flock-replica");
}

export async function until(what: string, is: () => boolean, deadlineMs = 60_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!is()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await Bun.sleep(5);
  }
}

const NODE = {
  node: "local",
  inventory: {
    hostname: "test",
    os: "linux",
    arch: "x64",
    cpuModel: "",
    physicalCores: 1,
    logicalCores: 1,
    memoryBytes: 0,
    freeMemoryBytes: 0,
    gpus: [],
  },
  embeddedGpu: null,
  problems: [],
};
