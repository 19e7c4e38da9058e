import { able } from "../../src/core/test-replica.ts";
import type { Failure } from "../../src/core/failure.ts";
import type { EngineStatus } from "../../src/core/node.ts";
import { ANONYMOUS, type Principal } from "../../src/core/principal.ts";
import type { Replica } from "../../src/core/replica.ts";
import { err, ok, type Result } from "../../src/core/result.ts";
import type { UsageRecord } from "../../src/core/usage-record.ts";
import { EngineConnections } from "../../src/cluster/fetch-engine.ts";
import type { EngineWire } from "../../src/engine/driver.ts";
import { llamaCppWire } from "../../src/engine/llama-cpp/wire.ts";
import { DEFAULT_LIMITS, type GatewayDeps, type GatewayLimits } from "../../src/gateway/ports.ts";
import { HEALTH_TIMES, type HealthTimes } from "../../src/health/health-times.ts";
import type { WatchParts } from "../../src/health/ports.ts";
import { ReplicaWatch } from "../../src/health/replica-watch.ts";
import { FrontServer } from "../../src/http1/front-server.ts";
import { AliasTable } from "../../src/routing/alias-table.ts";
import { ModelDirectory } from "../../src/routing/model-directory.ts";
import { routedPicker } from "../../src/gateway/routed-picker.ts";
import { Detours } from "../../src/routing/detours.ts";
import { ReplicaBoard } from "../../src/routing/replica-board.ts";
import { systemRouterClock } from "../../src/routing/router-port.ts";
import { Router } from "../../src/routing/router.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { keyLimits } from "../../src/tenancy/key-limits.ts";
import { LocalLeases } from "../../src/tenancy/local-leases.ts";
import { LocalRates } from "../../src/tenancy/local-rates.ts";
import type { ScriptedEngine } from "./scripted-engine.ts";
import { gatewayApp } from "./gateway-app.ts";

export interface GatewayOptions {
  /** Each is one replica of the model `scripted`. */
  readonly engines: readonly Pick<ScriptedEngine, "url">[];
  /** How they are spoken to; as llama-servers when absent. */
  readonly wire?: EngineWire;
  /** By secret; without any, every secret is an unlimited key. */
  readonly keys?: Readonly<Record<string, Partial<Principal>>>;
  readonly limits?: Partial<GatewayLimits>;
  readonly replica?: Partial<Replica>;
  /** More of single replicas, in the order of the engines. */
  readonly replicas?: readonly Partial<Replica>[];
  /** By model, those that answer in its place. */
  readonly fallbacks?: Readonly<Record<string, readonly string[]>>;
  readonly p95LimitMs?: number;
  readonly health?: HealthTimes;
  /** What the node of a replica says when the watch asks it to look. */
  readonly check?: WatchParts["check"];
  /** Awaited by each append, to see that nothing is finished before its record is safe. */
  readonly onAppend?: (record: UsageRecord) => Promise<void> | void;
}

export interface TestGateway {
  readonly url: string;
  readonly records: readonly UsageRecord[];
  /** What was logged as an error. */
  readonly errors: readonly Record<string, unknown>[];
  readonly metrics: Metrics;
  readonly board: ReplicaBoard;
  readonly router: Router;
  readonly chat: (body: Record<string, unknown>, init?: RequestInit) => Promise<Response>;
  readonly messages: (body: Record<string, unknown>, init?: RequestInit) => Promise<Response>;
  stop(): Promise<void>;
}

const CLOCK = { now: () => Date.now(), monotonicMs: () => performance.now() };
const ABILITIES = able("chat", "embeddings", "rerank", "tools", "images", "thinking");

/** The real HTTP app, gateway and routing in this process, in front of scripted engines; keys and records in memory. */
export function startGateway(options: GatewayOptions): TestGateway {
  const wire = options.wire ?? llamaCppWire;
  const records: UsageRecord[] = [];
  const errors: Record<string, unknown>[] = [];
  const metrics = new Metrics();
  const limits = { ...DEFAULT_LIMITS, replicaWaitMs: 500, ...options.limits };
  const watch: ReplicaWatch = new ReplicaWatch(options.health ?? HEALTH_TIMES, {
    monotonicMs: () => performance.now(),
    check: options.check ?? (() => Promise.resolve(null)),
    hasOther: (replica) => board.hasOther(replica),
    wake: () => board.wake(),
    log: silent,
  });
  const board: ReplicaBoard = new ReplicaBoard(watch);
  const router = new Router({
    board,
    localNode: "local",
    limits,
    clock: systemRouterClock,
    stickySessions: true,
    severalKeys: () => Object.keys(options.keys ?? {}).length > 1,
    onDecision: null,
  });
  watch.start();
  const models = new ModelDirectory(board, "scripted");
  models.setAliases(new AliasTable([{ name: "my-alias", model: "scripted", keyId: null }]));
  const engines = options.engines.map((engine, at): EngineStatus => {
    const status = {
      managed: false,
      secret: "",
      pid: null,
      restarts: 0,
      problem: null,
      models: ["scripted"],
      epoch: 1,
    };
    return { ...status, id: `e${at}`, kind: wire.kind, state: "ready", endpoint: engine.url, start: "llama-server …" };
  });
  const replicas = engines.map((engine, at): Replica => ({
    id: `local/${engine.id}/scripted`,
    node: "local",
    engine: wire.kind,
    engineId: engine.id,
    model: "scripted",
    engineModel: "scripted",
    contextTokens: 8192,
    slots: 4,
    abilities: ABILITIES,
    smokeTest: false,
    ...options.replica,
    ...options.replicas?.[at],
  }));
  board.update("local", { replicas, engines, expected: [] });
  const connections = new EngineConnections();
  const detours = new Detours(board, options.p95LimitMs ?? 0, () => performance.now());
  detours.setChains(new Map(Object.entries(options.fallbacks ?? {})));
  const gateway: GatewayDeps = {
    keys: { find: (secret) => findKey(options.keys, secret) },
    models,
    ...keyLimits(new LocalLeases(CLOCK, new Map()), new LocalRates(CLOCK), CLOCK),
    replicas: {
      ...routedPicker(router, () => wire),
      begin: (replica, attempt) => watch.begin(replica, attempt),
      answered: (replica) => watch.answered(replica),
      failed: (replica, failure, gone) => watch.failed(replica, failure, gone),
    },
    detours,
    link: {
      async fetch(replica, path, { body, fresh, signal, contentType = "application/json" }) {
        const engine = engines.find(({ id }) => id === replica.engineId);
        if (!engine) throw new Error(`no engine ${replica.engineId}`);
        return connections.fetch(
          engine,
          { method: "POST", path, body, fresh, headers: { "content-type": contentType } },
          signal,
        );
      },
      describe: () => ({ endpoint: "http://127.0.0.1:8089", start: "llama-server …" }),
    },
    usage: {
      async append(record) {
        await options.onAppend?.(record);
        records.push(record);
      },
    },
    metrics,
    log: { debug: silent, warn: silent, error: (_message, fields) => errors.push(fields) },
    limits,
    node: "local",
  };
  const app = gatewayApp({ gateway, keyless: false, models, board, router, metrics, clock: CLOCK });
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: (request) => app.fetch(request, {}),
  });
  // As the leader has it: plain chats are answered by the front, all else by the server behind it.
  const front = new FrontServer({
    hostname: "127.0.0.1",
    port: 0,
    innerPort: server.port ?? 0,
    handlerOf: ({ method, target }) => (method === "POST" ? app.buffered(target) : null),
  });
  const url = `http://127.0.0.1:${front.port}`;
  const post = (path: string, body: Record<string, unknown>, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { authorization: "Bearer any", "content-type": "application/json" },
      body: JSON.stringify(body),
      ...init,
    });
  const messages = [{ role: "user", content: "hi" }];
  return {
    url,
    records,
    errors,
    metrics,
    board,
    router,
    chat: (body, init) => post("/v1/chat/completions", { model: "scripted", messages, ...body }, init),
    messages: (body, init) => post("/v1/messages", { model: "scripted", max_tokens: 50, messages, ...body }, init),
    async stop() {
      watch.stop();
      front.stop();
      await server.stop(true);
    },
  };
}

function silent(): void {
  // What the gateway warns of is what these tests provoke.
}

function findKey(keys: GatewayOptions["keys"], secret: string): Result<Principal, Failure> {
  if (!keys) return ok(ANONYMOUS);
  const key = keys[secret];
  if (key) return ok({ ...ANONYMOUS, keyId: secret, ...key });
  return err({ kind: "unauthenticated", reason: "this key is not known here" });
}
