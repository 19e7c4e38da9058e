import { afterEach, describe, expect, test } from "bun:test";
import { UNLIMITED } from "../../src/core/principal.ts";
import type { Script } from "../support/script.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { type GatewayOptions, startGateway, type TestGateway } from "../support/start-gateway.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
});

async function start(
  script: Script,
  options: Partial<GatewayOptions> = {},
): Promise<{ gateway: TestGateway; engine: ScriptedEngine }> {
  const engine = await startScriptedEngine();
  engine.script = script;
  const gateway = startGateway({ engines: [engine], ...options });
  running.push(engine, gateway);
  return { gateway, engine };
}

interface Case {
  readonly kind: string;
  readonly script?: Script;
  readonly options?: Partial<GatewayOptions>;
  readonly body?: Record<string, unknown>;
  readonly init?: RequestInit;
  readonly prepare?: (started: { gateway: TestGateway; engine: ScriptedEngine }) => Promise<unknown>;
  /** Status, `error.type`, `error.code`. */
  readonly openai: readonly [number, string, string | null];
  readonly anthropic: readonly [number, string];
  readonly message: RegExp;
  readonly retryAfter?: boolean;
}

const limited = (limits: Partial<typeof UNLIMITED>) => ({ any: { limits: { ...UNLIMITED, ...limits } } });
const context = {
  error: { code: 400, message: "too long", type: "exceed_context_size_error", n_prompt_tokens: 9000, n_ctx: 8192 },
};

const CASES: readonly Case[] = [
  {
    kind: "unauthenticated",
    options: { keys: {} },
    openai: [401, "invalid_request_error", "invalid_api_key"],
    anthropic: [401, "authentication_error"],
    message: /flock token create/,
  },
  {
    kind: "forbidden",
    options: { keys: { any: { models: ["qwen3-8b"] } } },
    openai: [403, "insufficient_permissions", "insufficient_permissions"],
    anthropic: [403, "permission_error"],
    message: /model scripted.*qwen3-8b/,
  },
  {
    kind: "invalid_request",
    body: { max_tokens: -3 },
    openai: [400, "invalid_request_error", null],
    anthropic: [400, "invalid_request_error"],
    message: /max_tokens.*-3/,
  },
  {
    kind: "too_large",
    options: { limits: { maxBodyBytes: 300 } },
    body: { user: "x".repeat(500) },
    openai: [413, "invalid_request_error", "request_too_large"],
    anthropic: [413, "request_too_large"],
    message: /300 bytes/,
  },
  {
    kind: "unknown_model",
    body: { model: "scriptde" },
    openai: [404, "invalid_request_error", "model_not_found"],
    anthropic: [404, "not_found_error"],
    message: /"scripted"/,
  },
  {
    kind: "context_exceeded",
    script: { status: 400, body: JSON.stringify(context) },
    openai: [400, "invalid_request_error", "context_length_exceeded"],
    anthropic: [400, "invalid_request_error"],
    message: /9000.*8192/,
  },
  {
    kind: "unsupported",
    script: {
      status: 501,
      body: JSON.stringify({
        error: { code: 501, message: "no tools here", type: "not_supported_error", param: "tools" },
      }),
    },
    openai: [400, "invalid_request_error", "unsupported"],
    anthropic: [400, "invalid_request_error"],
    message: /tools/,
  },
  {
    kind: "rate_limited",
    options: { keys: limited({ concurrency: 1 }) },
    script: { headerDelayMs: 60_000 },
    prepare: async ({ gateway, engine }) => {
      void gateway.chat({}).catch(() => undefined);
      while (engine.requests.length === 0) await Bun.sleep(5);
    },
    openai: [429, "rate_limit_error", "rate_limit_exceeded"],
    anthropic: [429, "rate_limit_error"],
    message: /in flight/,
    retryAfter: true,
  },
  {
    kind: "quota_exceeded",
    options: { keys: limited({ dailyTokens: 5 }) },
    openai: [429, "insufficient_quota", "insufficient_quota"],
    anthropic: [429, "rate_limit_error"],
    message: /daily quota of 5 tokens/,
    retryAfter: true,
  },
  {
    kind: "engine_unreachable",
    prepare: ({ engine }) => engine.stop(),
    options: { limits: { replicaWaitMs: 50 } },
    openai: [503, "server_error", "engine_unreachable"],
    anthropic: [529, "overloaded_error"],
    message: /llama-server/,
  },
  {
    kind: "engine_failed",
    script: {
      status: 500,
      body: JSON.stringify({ error: { code: 500, message: "it fell over", type: "server_error" } }),
    },
    openai: [502, "server_error", "engine_failed"],
    anthropic: [500, "api_error"],
    message: /failed/,
  },
  {
    kind: "engine_timeout",
    script: { headerDelayMs: 60_000 },
    options: { limits: { firstTokenMs: 100 } },
    openai: [504, "server_error", "engine_timeout"],
    anthropic: [500, "api_error"],
    message: /no answer within/,
  },
];

describe.each(CASES)("$kind", (one) => {
  test.each(["openai", "anthropic"] as const)("in the shape of %s, streaming or not", async (surface) => {
    for (const stream of [false, true]) {
      const started = await start(one.script ?? {}, one.options);
      await one.prepare?.(started);
      const send = surface === "openai" ? started.gateway.chat : started.gateway.messages;
      const answer = await send({ ...one.body, stream }, one.init);
      const body = (await answer.json()) as { error: Record<string, unknown>; type?: string; request_id?: string };
      expect(answer.status).toBe(one[surface][0]);
      expect(answer.headers.get("x-request-id")).toMatch(/^req_/);
      expect(String(body.error.message)).toMatch(one.message);
      expect(body.error.type).toBe(one[surface][1]);
      if (surface === "openai") expect(body.error.code).toBe(one.openai[2]);
      else expect(body).toMatchObject({ type: "error", request_id: answer.headers.get("request-id") });
      expect(answer.headers.has("retry-after")).toBe(one.retryAfter ?? false);
      const record = started.gateway.records.at(-1);
      // A stranger has no row: rows belong to an owner.
      if (one.kind === "unauthenticated") expect(record).toBeUndefined();
      else expect(record).toMatchObject({ outcome: "error", errorKind: one.kind });
    }
  });
});

test("malformed bodies are a 400 that says where, never a 500", async () => {
  const { gateway } = await start({});
  const bodies = [
    "{nonsense",
    "",
    "[]",
    '{"model":"scripted","model":"other","messages":[]}',
    '{"model":7,"messages":[]}',
    '{"model":"scripted","messages":[],"stream":"yes"}',
    `{"model":"scripted","messages":${"[".repeat(5000)}${"]".repeat(5000)}}`,
    new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
  ];
  for (const path of ["/v1/chat/completions", "/v1/messages", "/v1/embeddings"]) {
    for (const body of bodies) {
      const answer = await fetch(`${gateway.url}${path}`, { method: "POST", headers: { "x-api-key": "any" }, body });
      expect([path, answer.status]).toEqual([path, 400]);
      expect(((await answer.json()) as { error: { message: string } }).error.message.length).toBeGreaterThan(10);
    }
  }
});

test("internal errors show an id and nothing else", async () => {
  const { gateway } = await start({});
  const answer = await fetch(`${gateway.url}/admin/v1/status`);
  expect(answer.status).toBe(500);
  const text = await answer.text();
  expect(text).toContain(answer.headers.get("x-request-id") ?? "no id");
  expect(text).not.toContain("no admin API in this test");
  expect(gateway.errors[0]).toMatchObject({ request: answer.headers.get("x-request-id"), path: "/admin/v1/status" });
});
