import { Hono } from "hono";
import type { Catalog } from "./api/catalog.ts";
import type { Job } from "./api/jobs.ts";
import type { Key } from "./api/tokens.ts";
import type { Status } from "./api/status.ts";

/** For tests: a real server on a free port that answers like the admin API. */
export interface FakeAdminServer {
  readonly url: string;
  readonly key: string;
  readonly keys: Key[];
  /** Calls as `METHOD path?query`, in order. */
  readonly calls: string[];
  /** The body of the last POST. */
  lastBody: unknown;
  /** How often the job's event stream is cut after its first event before it comes to its end. */
  cuts: number;
  lastEventIds: (string | null)[];
  jobState: Job["state"];
  catalog: Catalog;
  stop(): Promise<void>;
}

export const A_KEY: Key = {
  id: "key_alice",
  name: "alice",
  prefix: "sk-orc-ab",
  scope: "user",
  user: "alice",
  limits: { daily_tokens: 100_000, requests_per_minute: 0, tokens_per_minute: 0, concurrency: 2 },
  models: [],
  local_only: false,
  priority: "interactive",
  used_today: 4321,
  created_at: 1_760_000_000_000,
  expires_at: null,
  revoked_at: null,
  last_used_at: null,
};

const STATUS: Status = {
  version: "0.1.0",
  role: "leader",
  url: "http://127.0.0.1:8080",
  started_at: 1_760_000_000_000,
  uptime_s: 3700,
  pid: 42,
  data_dir: "/srv/flock",
  default_model: "flock-tiny",
  smoke_test: true,
  engines: [
    {
      node: "n_1",
      node_name: "lab",
      id: "embedded",
      kind: "embedded",
      state: "crashloop",
      endpoint: "http://127.0.0.1:4000",
      problem: "it ends at once",
      restarts: 5,
      pid: null,
      managed: true,
      start: "flock engine start n_1/embedded",
      note: null,
      models: ["flock-tiny"],
    },
  ],
  models: [
    {
      id: "flock-tiny",
      engine: "embedded",
      node: "n_1",
      node_name: "lab",
      context_tokens: 2048,
      slots: 2,
      busy: 1,
      load: null,
    },
  ],
  nodes: [
    {
      id: "n_1",
      name: "lab",
      state: "ready",
      hostname: "lab",
      os: "linux",
      arch: "x64",
      memory_bytes: 68_719_476_736,
      cores: 8,
      gpus: [],
    },
  ],
  requests_in_flight: 1,
  store: { type: "sqlite", ok: true },
  journal: { ok: true, pending: 0 },
  hints: [{ message: "The model is a smoke test", command: "flock model add llama-3.2-1b" }],
};

const RECORD = {
  request_id: "req_1",
  at: 1_760_000_000_000,
  user_id: "alice",
  key_id: "key_alice",
  protocol: "openai",
  endpoint: "/v1/chat/completions",
  // A name as a hostile client may send it.
  requested_model: "\u001b[2Jevil\nmodel",
  served_model: "",
  node: "n_1",
  engine: "embedded",
  replica: "r",
  prompt_tokens: 1200,
  completion_tokens: 34,
  cached_tokens: 0,
  latency_ms: 4210,
  ttft_ms: 340,
  queue_ms: 0,
  attempts: 1,
  route_reason: "only replica",
  price_micros: 0,
  outcome: "error",
  error_kind: "unknown_model",
};

export function startFakeAdminServer(): FakeAdminServer {
  const app = new Hono();
  const job = (): Job => ({
    id: "job_1",
    kind: "usage.rebuild-rollups",
    state: fake.jobState,
    actor: "key_admin",
    attempt: 1,
    created_at: 1_760_000_000_000,
    started_at: 1_760_000_000_000,
    finished_at: null,
    progress: { done: 12, total: 30, message: "hour 12" },
    error: fake.jobState === "failed" ? "the disk is full" : null,
  });

  app.use(async (c, next) => {
    fake.calls.push(`${c.req.method} ${c.req.path}${new URL(c.req.url).search}`);
    if (c.req.header("authorization") === undefined) return c.json(errorBody("invalid_api_key", "No key"), 401);
    if (c.req.header("authorization") === "Bearer sk-user") return c.json(errorBody("forbidden", "Not an admin"), 403);
    if (c.req.header("authorization") !== `Bearer ${fake.key}`)
      return c.json(errorBody("invalid_api_key", "Wrong"), 401);
    return next();
  });
  app.get("/admin/v1/status", (c) => c.json(STATUS));
  app.get("/admin/v1/tokens", (c) => c.json({ tokens: fake.keys }));
  app.post("/admin/v1/tokens", async (c) => {
    fake.lastBody = await c.req.json();
    return c.json({ token: "sk-orc-plaintext", key: A_KEY }, 201);
  });
  app.patch("/admin/v1/tokens/:id", async (c) => {
    fake.lastBody = await c.req.json();
    return c.json({ key: A_KEY });
  });
  app.delete("/admin/v1/tokens/:id", (c) => {
    const at = fake.keys.findIndex((key) => key.id === c.req.param("id"));
    const key = fake.keys[at];
    if (!key) return c.json(errorBody("not_found", "There is no such key"), 404);
    fake.keys[at] = { ...key, revoked_at: 1 };
    return c.json({ key: fake.keys[at] });
  });
  app.get("/admin/v1/usage/recent", (c) => c.json({ records: [RECORD] }));
  app.get("/admin/v1/audit/recent", (c) => {
    const entry = { id: "a_1", at: 1_760_000_000_000, actor: "key_admin", action: "token.revoke", target: "key_alice" };
    return c.json({
      entries: [{ ...entry, before: { revoked: false, name: "a" }, after: { revoked: true, name: "a" } }],
    });
  });
  app.get("/admin/v1/models", (c) =>
    c.json({ error: { ...errorBody("not_implemented", "x").error, capability: "models" } }, 501),
  );
  app.get("/admin/v1/catalog", (c) => c.json(fake.catalog));
  app.get("/admin/v1/config", (c) => {
    const setting = {
      key: "listen",
      value: ":7",
      origin: "env",
      detail: "FLOCK_LISTEN",
      effective: true,
      secret: false,
    };
    return c.json({ path: "/srv/flock/config.yaml", settings: [setting], warnings: [] });
  });
  app.get("/admin/v1/jobs", (c) => c.json({ jobs: [job()] }));
  app.get("/admin/v1/jobs/:id", (c) =>
    c.req.param("id") === "job_1"
      ? c.json({ job: job() })
      : c.json(errorBody("not_found", "There is no such job"), 404),
  );
  app.post("/admin/v1/usage/rebuild", (c) => c.json({ job: job() }, 202));
  app.get("/admin/v1/jobs/:id/events", (c) => {
    const last = c.req.header("last-event-id") ?? null;
    fake.lastEventIds.push(last);
    const seq = Number(last ?? 0) + 1;
    const progress = { seq, at: 0, state: "running", progress: { done: seq, total: 4, message: "" } };
    const first = `: following\n\nid: ${seq}\nevent: progress\ndata: ${JSON.stringify(progress)}\n\n`;
    const end = fake.cuts-- > 0 ? "event: end\nda" : `event: end\ndata: ${JSON.stringify({ job: job() })}\n\n`;
    return c.body(first + end, 200, { "content-type": "text/event-stream" });
  });

  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.fetch });
  const fake: FakeAdminServer = {
    url: `http://127.0.0.1:${server.port}`,
    key: "sk-admin",
    keys: [A_KEY],
    calls: [],
    lastBody: null,
    cuts: 0,
    lastEventIds: [],
    jobState: "succeeded",
    catalog: { directory: null, models: [], problems: [] },
    stop: () => server.stop(true),
  };
  return fake;
}

function errorBody(code: string, message: string) {
  return { error: { message: `${message}.`, type: code, code } };
}
