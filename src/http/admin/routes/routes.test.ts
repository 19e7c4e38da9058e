import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { hc } from "hono/client";
import { createAdminApp } from "../admin-app.ts";
import type { UsageView } from "../deps.ts";
import { ADMIN_SECRET, engineView, jobView, NOW, type TestDeps, testDeps } from "../test-deps.ts";
import type { AliasesApi } from "./aliases.ts";
import type { AuditApi } from "./audit.ts";
import type { ConfigApi } from "./config.ts";
import type { DefaultModelApi } from "./default-model.ts";
import type { JobsApi } from "./jobs.ts";
import type { ModelsApi } from "./models.ts";
import type { RouteApi } from "./route.ts";
import type { StatusApi } from "./status.ts";
import type { TokensApi } from "./tokens.ts";
import type { UsageApi } from "./usage.ts";

let deps: TestDeps;
let server: Bun.Server<undefined>;
let url: string;
const options = { headers: { authorization: `Bearer ${ADMIN_SECRET}` } };

beforeAll(() => {
  server = Bun.serve({ port: 0, fetch: (request) => createAdminApp(deps).fetch(request) });
  url = server.url.href;
});
beforeEach(() => {
  deps = testDeps();
});
afterAll(() => server.stop(true));

test("a key is created with its plaintext, listed without it, and revoked", async () => {
  const { tokens } = hc<TokensApi>(url, options).admin.v1;
  const expiresAt = NOW + 86_400_000;
  const created = await tokens.$post({
    json: { name: " ci ", scope: "admin", limits: { daily_tokens: 5000 }, models: ["a"], expires_at: expiresAt },
  });
  expect(created.status).toBe(201);
  if (created.status !== 201) throw new Error("not created");
  const { token, key } = await created.json();
  expect(token).toBe("sk-orc-Ab12-plaintext");
  expect(key).toEqual({
    id: "key_1",
    name: "ci",
    prefix: "sk-orc-Ab12",
    scope: "admin",
    user: "admin-user",
    limits: { daily_tokens: 5000, requests_per_minute: 0, tokens_per_minute: 0, concurrency: 0 },
    models: ["a"],
    local_only: false,
    priority: "interactive",
    used_today: 0,
    created_at: NOW,
    expires_at: expiresAt,
    revoked_at: null,
    last_used_at: null,
  });

  const list = await (await tokens.$get()).text();
  expect(JSON.parse(list)).toEqual({ tokens: [key] });
  expect(list).not.toContain("plaintext");

  const revoked = await tokens[":id"].$delete({ param: { id: "key_1" } });
  expect(await revoked.json()).toEqual({ key: { ...key, revoked_at: NOW } });
});

test("a key's rights are changed field by field, and what no key has is refused by name", async () => {
  const { tokens } = hc<TokensApi>(url, options).admin.v1;
  await tokens.$post({ json: { name: "ci", limits: { daily_tokens: 5, concurrency: 2 } } });
  const json = { limits: { daily_tokens: 0 }, priority: "batch", expires_at: null } as const;
  const edited = await tokens[":id"].$patch({ param: { id: "key_1" }, json });
  expect(await edited.json()).toMatchObject({
    key: { limits: { daily_tokens: 0, concurrency: 2 }, priority: "batch", local_only: false },
  });
  for (const body of [{ quota: 5 }, { limits: { daily_tokens: -1 } }, { priority: "high" }, { models: [""] }]) {
    const init = { method: "PATCH", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const wrong = await fetch(`${url}admin/v1/tokens/key_1`, {
      ...init,
      headers: { ...init.headers, ...options.headers },
    });
    expect([body, wrong.status]).toEqual([body, 400]);
  }
});

test("aliases are set, listed and removed, names with slashes among them; the default is set and taken back", async () => {
  const { aliases } = hc<AliasesApi>(url, options).admin.v1;
  const { "default-model": standard } = hc<DefaultModelApi>(url, options).admin.v1;
  const set = await aliases.$post({ json: { name: "a/b:c", model: "flock-tiny", key: "key_1" } });
  expect(await set.json()).toMatchObject({ alias: { name: "a/b:c", model: "flock-tiny", key_id: "key_1" } });
  await aliases.$post({ json: { name: "fast", model: "flock-tiny" } });
  expect(await (await aliases.$get()).json()).toMatchObject({ aliases: [{ name: "a/b:c" }, { key_id: null }] });
  expect((await aliases.$delete({ query: { name: "a/b:c", key: "key_1" } })).status).toBe(200);
  expect((await aliases.$delete({ query: { name: "a/b:c", key: "key_1" } })).status as number).toBe(404);
  expect(await (await standard.$put({ json: { model: "big" } })).json()).toMatchObject({
    wanted: "big",
    origin: "store",
  });
  expect(await (await standard.$delete()).json()).toMatchObject({ wanted: "", origin: "default" });
  expect(await (await standard.$get()).json()).toMatchObject({ model: "flock-tiny" });
});

test("a key made without a body is a user key without limits", async () => {
  const response = await fetch(new URL("/admin/v1/tokens", url), { method: "POST", ...options });
  expect(response.status).toBe(201);
  expect(deps.keys[0]).toMatchObject({ scope: "user", models: [], expiresAt: null, localOnly: false });
});

test("revoking a key that is not there is a 404 with the command that lists them", async () => {
  const response = await hc<TokensApi>(url, options).admin.v1.tokens[":id"].$delete({ param: { id: "key_9" } });
  expect(response.status as number).toBe(404);
  expect(await response.json()).toMatchObject({ error: { message: "There is no key key_9.", mend: "flock token ls" } });
});

test("recent usage has the record's fields in snake case and obeys limit and user", async () => {
  deps.usageRecords.push(usage("req_1", "ann"), usage("req_2", "bob"), usage("req_3", "ann"));
  const { recent } = hc<UsageApi>(url, options).admin.v1.usage;
  const all = await recent.$get({ query: { limit: "2" } });
  expect(await all.json()).toMatchObject({ records: [{ request_id: "req_1" }, { request_id: "req_2" }] });
  const ann = await recent.$get({ query: { user: "ann" } });
  const answer: unknown = await ann.json();
  const fields = Object.keys(usage("", "")).map((name) => name.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`));
  const { records } = answer as { records: Record<string, unknown>[] };
  expect(records.map((one) => one["request_id"])).toEqual(["req_1", "req_3"]);
  expect(Object.keys(records[0] ?? {}).toSorted()).toEqual(fields.toSorted());
  expect(records[0]).toMatchObject({
    user_id: "ann",
    key_name: "ci",
    ttft_ms: null,
    prompt_tokens: 7,
    price_micros: 12,
  });
});

test("rebuilding the sums answers 202 with a job, asked for by the key's name", async () => {
  const response = await hc<UsageApi>(url, options).admin.v1.usage.rebuild.$post();
  expect(response.status).toBe(202);
  expect(response.headers.get("location")).toBe("/admin/v1/jobs/job_1");
  expect(await response.json()).toMatchObject({
    job: { id: "job_1", kind: "usage.rebuild-rollups", state: "queued", actor: "admin" },
  });
});

test("recent audit entries carry before and after, null where there was nothing", async () => {
  const entry = { id: "aud_1", at: NOW, actor: "ann", action: "token.create", target: "key_1" };
  deps.auditEntries.push({ ...entry, before: undefined, after: { name: "ci" } });
  const { recent } = hc<AuditApi>(url, options).admin.v1.audit;
  const answer = await recent.$get({ query: { actor: "ann" } });
  expect(await answer.json()).toEqual({ entries: [{ ...entry, before: null, after: { name: "ci" } }] });
  expect(await (await recent.$get({ query: { actor: "bob" } })).json()).toEqual({ entries: [] });
});

test("a secret setting is never sent, and an unset one is told from a set one", async () => {
  const base = { origin: "file", detail: "config.yaml:3", effective: true };
  const settings = [
    { ...base, key: "listen", value: ":8080", secret: false },
    { ...base, key: "mesh.auth_key", value: "tskey-very-secret", secret: true },
    { ...base, key: "engine.llamacpp_api_key", value: "", secret: true },
  ];
  deps = testDeps({ config: () => ({ path: "/c.yaml", settings, warnings: ["careful"] }) });
  const text = await (await hc<ConfigApi>(url, options).admin.v1.config.$get()).text();
  expect(text).not.toContain("tskey-very-secret");
  expect(JSON.parse(text)).toEqual({
    path: "/c.yaml",
    settings: [settings[0], { ...settings[1], value: "[redacted]" }, settings[2]],
    warnings: ["careful"],
  });
});

test("status tells engines, models and nodes, and no engine's secret", async () => {
  deps.report = {
    ...deps.report,
    engines: [engineView({ state: "crashloop", problem: "exit code 1, five times", pid: null, restarts: 5 })],
    hints: [{ message: "A GPU is not used.", command: "npm run engine:gpu" }],
  };
  const text = await (await hc<StatusApi>(url, options).admin.v1.status.$get()).text();
  expect(text).not.toContain("engine-secret-that-stays-here");
  expect(JSON.parse(text)).toEqual({
    version: "0.1.0",
    role: "leader",
    url: "http://127.0.0.1:8080",
    started_at: NOW - 3_723_500,
    uptime_s: 3723,
    pid: 4242,
    data_dir: "/home/a/.flock",
    default_model: "flock-tiny",
    smoke_test: true,
    engines: [
      {
        node: "node_1",
        node_name: "workstation",
        id: "embedded",
        kind: "embedded",
        state: "crashloop",
        endpoint: "http://127.0.0.1:40123",
        problem: "exit code 1, five times",
        restarts: 5,
        pid: null,
        managed: true,
        start: "flock up",
        note: null,
        models: ["flock-tiny"],
      },
    ],
    models: [
      {
        id: "flock-tiny",
        engine: "embedded",
        node: "node_1",
        node_name: "workstation",
        context_tokens: 2048,
        slots: 2,
        busy: 1,
        load: null,
      },
    ],
    nodes: [
      {
        id: "node_1",
        name: "workstation",
        state: "ready",
        hostname: "workstation",
        os: "linux",
        arch: "x64",
        memory_bytes: 67_108_864_000,
        cores: 8,
        gpus: [{ vendor: "nvidia", name: "RTX 4090", memory_bytes: 25_769_803_776, driver: "550.90" }],
      },
    ],
    requests_in_flight: 1,
    store: { type: "sqlite", ok: true },
    journal: { ok: true, pending: 0 },
    hints: [{ message: "A GPU is not used.", command: "npm run engine:gpu" }],
  });
});

test("models are one row for each copy", async () => {
  const answer = await hc<ModelsApi>(url, options).admin.v1.models.$get();
  expect(await answer.json()).toEqual({
    models: [
      {
        id: "flock-tiny",
        engine: "embedded",
        node: "node_1",
        node_name: "workstation",
        state: "ready",
        context_tokens: 2048,
        slots: 2,
        smoke_test: true,
        default: true,
      },
    ],
  });
});

test("jobs are listed, shown and cancelled; one at its end is a conflict, one not there a 404", async () => {
  const { jobs } = hc<JobsApi>(url, options).admin.v1;
  deps.jobViews.set("job_1", jobView({ progress: { done: 3, total: 9, message: "day 3" } }));
  expect(await (await jobs.$get({ query: {} })).json()).toMatchObject({
    jobs: [{ id: "job_1", created_at: NOW, progress: { done: 3, total: 9, message: "day 3" } }],
  });
  const byId = { param: { id: "job_1" } };
  expect(await (await jobs[":id"].$get(byId)).json()).toMatchObject({ job: { state: "running" } });
  expect(await (await jobs[":id"].$delete(byId)).json()).toMatchObject({ job: { state: "cancelled" } });
  expect((await jobs[":id"].$delete(byId)).status as number).toBe(409);
  expect((await jobs[":id"].$get({ param: { id: "job_2" } })).status as number).toBe(404);
});

function usage(requestId: string, userId: string): UsageView {
  return {
    requestId,
    at: NOW,
    userId,
    userName: userId,
    keyId: "key_1",
    keyName: "ci",
    protocol: "openai",
    endpoint: "/v1/chat/completions",
    requestedModel: "auto",
    servedModel: "flock-tiny",
    node: "node_1",
    engine: "embedded",
    replica: "node_1/embedded/flock-tiny",
    promptTokens: 7,
    completionTokens: 3,
    cachedTokens: 0,
    latencyMs: 12.5,
    ttftMs: null,
    queueMs: 0,
    attempts: 1,
    routeReason: "only replica",
    priceMicros: 12,
    outcome: "ok",
    errorKind: "",
  };
}

test("a route is explained: the model, every replica with its reason, and what would answer in its place", async () => {
  const { route } = hc<RouteApi>(url, options).admin.v1;
  const answer = await route.$get({ query: { tokens: "2000", tools: "true" } });
  expect(await answer.json()).toMatchObject({
    name: "auto",
    model: "flock-tiny",
    fallbacks: ["other"],
    replicas: [{ taken: true, in_flight: 1, outstanding_tokens: 900, reason: "least busy of 2" }],
  });
  expect((await route.$get({ query: { model: "nobody" } })).status).toBe(404);
  expect((await route.$get({ query: { tokens: "many" } })).status).toBe(400);
});
