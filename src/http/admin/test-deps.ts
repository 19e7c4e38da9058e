import { able, testReplica } from "../../core/test-replica.ts";
import type { Clock } from "../../core/clock.ts";
import { newId } from "../../core/id.ts";
import type { EngineStatus } from "../../core/node.ts";
import { type Principal, UNLIMITED } from "../../core/principal.ts";
import type { Replica } from "../../core/replica.ts";
import { err, ok } from "../../core/result.ts";
import type {
  AdminDeps,
  AliasView,
  AuditEntry,
  DefaultModelView,
  JobEvent,
  JobView,
  KeyView,
  StatusReport,
  UsageView,
} from "./deps.ts";
import type { EngineView } from "./engine-deps.ts";
import { testNodes } from "./test-nodes.ts";

/** For tests only: an admin API's surroundings held in memory, open to be changed by the test. */
export interface TestDeps extends AdminDeps {
  readonly principals: Map<string, Principal>;
  readonly keys: KeyView[];
  readonly aliasViews: AliasView[];
  defaultView: DefaultModelView;
  readonly usageRecords: UsageView[];
  readonly auditEntries: AuditEntry[];
  readonly jobViews: Map<string, JobView>;
  readonly jobEvents: Map<string, AsyncIterable<JobEvent>>;
  readonly bugs: { requestId: string; cause: unknown }[];
  readonly asked: { afterSeq: number; signal: AbortSignal }[];
  report: StatusReport;
}

export const ADMIN_SECRET = "sk-orc-admin-secret-for-tests";
export const USER_SECRET = "sk-orc-user-secret-for-tests";
export const NODE_SECRET = "sk-orc-node-secret-for-tests";
export const NOW = 1_790_000_000_000;

export function testDeps(over: Partial<AdminDeps> = {}): TestDeps {
  const clock: Clock = { now: () => NOW, monotonicMs: () => 0 };
  const state = {
    principals: new Map<string, Principal>([
      [ADMIN_SECRET, principal("admin")],
      [USER_SECRET, principal("user")],
      [NODE_SECRET, principal("node")],
    ]),
    keys: [] as KeyView[],
    aliasViews: [] as AliasView[],
    defaultView: { model: "flock-tiny", wanted: "", origin: "default", detail: "" } as DefaultModelView,
    usageRecords: [] as UsageView[],
    auditEntries: [] as AuditEntry[],
    jobViews: new Map<string, JobView>(),
    jobEvents: new Map<string, AsyncIterable<JobEvent>>(),
    bugs: [] as { requestId: string; cause: unknown }[],
    asked: [] as { afterSeq: number; signal: AbortSignal }[],
    report: statusReport(),
  };
  const deps: AdminDeps = {
    clock,
    version: "0.1.0",
    externalUrl: "https://llm.example.test",
    newRequestId: () => newId("req"),
    explain: () => null,
    reportBug: (requestId, cause) => state.bugs.push({ requestId, cause }),
    authenticate(secret) {
      const found = secret === null ? undefined : state.principals.get(secret);
      return found === undefined ? err({ kind: "unauthenticated", reason: "This API key is not known." }) : ok(found);
    },
    tokens: {
      list: async () => state.keys,
      async create(input, actor) {
        const id = `key_${state.keys.length + 1}`;
        const key: KeyView = {
          ...input,
          id,
          name: input.name ?? id,
          prefix: "sk-orc-Ab12",
          userName: actor.userId,
          usedToday: 0,
          createdAt: NOW,
          revokedAt: null,
          lastUsedAt: null,
        };
        state.keys.push(key);
        return ok({ secret: "sk-orc-Ab12-plaintext", key });
      },
      async edit(id, { limits, ...changes }) {
        const at = state.keys.findIndex((key) => key.id === id);
        const key = state.keys[at];
        if (key === undefined) return err({ kind: "not_found", what: `key ${id}`, mend: "flock token ls" });
        const edited: KeyView = { ...key, ...changes, limits: { ...key.limits, ...limits } };
        state.keys[at] = edited;
        return ok(edited);
      },
      async revoke(id) {
        const at = state.keys.findIndex((key) => key.id === id);
        const key = state.keys[at];
        if (key === undefined) return err({ kind: "not_found", what: `key ${id}`, mend: "flock token ls" });
        const revoked = { ...key, revokedAt: NOW };
        state.keys[at] = revoked;
        return ok(revoked);
      },
    },
    aliases: {
      list: async () => state.aliasViews,
      async set({ name, model, key }) {
        const alias: AliasView = { name, model, keyId: key, keyName: key, createdAt: NOW, updatedAt: NOW };
        state.aliasViews.push(alias);
        return ok(alias);
      },
      async remove(name, key) {
        const at = state.aliasViews.findIndex((alias) => alias.name === name && alias.keyId === key);
        const [alias] = at < 0 ? [] : state.aliasViews.splice(at, 1);
        return alias === undefined ? err({ kind: "not_found", what: `alias ${name}` }) : ok(alias);
      },
    },
    defaultModel: {
      show: async () => state.defaultView,
      async set(model) {
        state.defaultView = { ...state.defaultView, wanted: model ?? "", origin: model === null ? "default" : "store" };
        return ok(state.defaultView);
      },
    },
    explainRoute: async ({ name }) => {
      if (name !== "auto") return err({ kind: "unknown_model", model: name, nearest: [] });
      const taken = { replica: replica(), inFlight: 1, outstandingTokens: 900, taken: true, reason: "least busy of 2" };
      return ok({ name, model: "flock-tiny", how: "auto", waiting: 0, fallbacks: ["other"], replicas: [taken] });
    },
    usage: {
      recent: async ({ limit, user }) =>
        state.usageRecords.filter((one) => user === undefined || one.userId === user).slice(0, limit),
    },
    audit: {
      recent: async ({ limit, actor }) =>
        state.auditEntries.filter((one) => actor === undefined || one.actor === actor).slice(0, limit),
    },
    config: () => ({ path: "/home/a/.flock/config.yaml", settings: [], warnings: [] }),
    status: async () => result.report,
    models: async () => [{ replica: replica(), nodeName: "workstation", state: "ready", isDefault: true }],
    catalog: async () => ({ directory: null, entries: [], problems: [] }),
    adapters: {
      list: () => [],
      add: async () => err({ kind: "conflict", message: "no engine takes adapters in tests" }),
      remove: async (model) => err({ kind: "not_found", what: `adapter ${model}` }),
    },
    engineVersions: {
      list: async () => ok([]),
      install: async () => err({ kind: "conflict", message: "nothing is installed in tests" }),
      use: async () => err({ kind: "not_found", what: "version" }),
    },
    engines: {
      list: () => result.report.engines,
      async logs(node, engine, { after }) {
        if (engine !== "embedded") return err({ kind: "not_found", what: `engine ${node}/${engine}` });
        return ok({ lines: after === undefined ? ["one", "two"] : ["three"], next: "7-12" });
      },
      async act(node, id, action) {
        const engine = result.report.engines.find((one) => one.engine.id === id)?.engine;
        if (engine === undefined) return err({ kind: "not_found", what: `engine ${node}/${id}` });
        if (!engine.managed)
          return err({ kind: "conflict", message: `${id} is not ours to ${action}`, mend: engine.start });
        const state = action === "stop" ? "stopped" : "starting";
        return ok({ node, nodeName: "workstation", lost: false, engine: { ...engine, state } });
      },
    },
    jobs: {
      list: async (limit) => [...state.jobViews.values()].slice(0, limit),
      get: async (id) => state.jobViews.get(id) ?? null,
      async cancel(id) {
        const job = state.jobViews.get(id);
        if (job === undefined) return err({ kind: "not_found", what: `job ${id}` });
        if (job.finishedAt !== null) return err({ kind: "conflict", message: `Job ${id} has ended: ${job.state}.` });
        const cancelled: JobView = { ...job, state: "cancelled", finishedAt: NOW };
        state.jobViews.set(id, cancelled);
        return ok(cancelled);
      },
      async enqueue(kind, _input, actor) {
        const job = jobView({ id: `job_${state.jobViews.size + 1}`, kind, actor: actor.keyName, state: "queued" });
        state.jobViews.set(job.id, job);
        return ok(job);
      },
      events(id, afterSeq, signal) {
        state.asked.push({ afterSeq, signal });
        const events = state.jobEvents.get(id);
        if (events === undefined) throw new Error(`the test gave job ${id} no events`);
        return events;
      },
    },
    nodes: testNodes(),
    ...over,
  };
  const result: TestDeps = Object.assign(state, deps);
  return result;
}

export function jobView(over: Partial<JobView>): JobView {
  return {
    id: "job_1",
    kind: "usage.rebuild-rollups",
    state: "running",
    actor: "admin",
    attempt: 1,
    createdAt: NOW,
    startedAt: null,
    finishedAt: null,
    progress: null,
    error: null,
    ...over,
  };
}

function replica(over: Partial<Replica> = {}): Replica {
  return testReplica({
    node: "node_1",
    engine: "embedded",
    model: "flock-tiny",
    contextTokens: 2048,
    slots: 2,
    abilities: able("chat", "embeddings", "tools"),
    smokeTest: true,
    ...over,
  });
}

function engineStatus(over: Partial<EngineStatus> = {}): EngineStatus {
  return {
    id: "embedded",
    kind: "embedded",
    managed: true,
    state: "ready",
    endpoint: "http://127.0.0.1:40123",
    secret: "engine-secret-that-stays-here",
    pid: 4711,
    restarts: 0,
    problem: null,
    start: "flock up",
    epoch: 1,
    models: ["flock-tiny"],
    ...over,
  };
}

export function engineView(over: Partial<EngineStatus> = {}): EngineView {
  return { node: "node_1", nodeName: "workstation", lost: false, engine: engineStatus(over) };
}

function statusReport(): StatusReport {
  return {
    version: "0.1.0",
    role: "leader",
    url: "http://127.0.0.1:8080",
    startedAt: NOW - 3_723_500,
    pid: 4242,
    dataDir: "/home/a/.flock",
    defaultModel: "flock-tiny",
    smokeTest: true,
    engines: [engineView()],
    models: [{ replica: replica(), nodeName: "workstation", busy: 1 }],
    nodes: [
      {
        id: "node_1",
        name: "workstation",
        state: "ready",
        inventory: {
          hostname: "workstation",
          os: "linux",
          arch: "x64",
          cpuModel: "A CPU",
          physicalCores: 8,
          logicalCores: 16,
          memoryBytes: 67_108_864_000,
          freeMemoryBytes: 33_554_432_000,
          gpus: [{ vendor: "nvidia", name: "RTX 4090", memoryBytes: 25_769_803_776, driver: "550.90" }],
        },
      },
    ],
    requestsInFlight: 1,
    store: { type: "sqlite", ok: true },
    journal: { ok: true, pending: 0 },
    hints: [],
  };
}

function principal(scope: Principal["scope"]): Principal {
  return {
    keyId: `key_${scope}`,
    keyName: scope,
    userId: `${scope}-user`,
    scope,
    limits: UNLIMITED,
    models: [],
    localOnly: false,
    priority: "interactive",
    expiresAt: null,
  };
}
