import { expect, test } from "bun:test";
import { able, testReplica } from "../../core/test-replica.ts";
import { scanBody } from "../../wire/scan-body.ts";
import type { BodyEdits } from "../driver.ts";
import { parseMetrics } from "../llama-cpp/metrics-text.ts";
import { cacheSalt } from "./cache-salt.ts";
import { toLoad } from "./manage.ts";
import { vllmWire } from "./wire.ts";

const REPLICA = testReplica({
  engine: "vllm",
  engineModel: "org/Tiny",
  slots: 256,
  abilities: able("chat", "tools", "images"),
});

function amend(body: object, tenant: string): BodyEdits {
  const scanned = scanBody(new TextEncoder().encode(JSON.stringify(body)));
  const edits = scanned.ok ? vllmWire.amend?.(scanned.value, REPLICA, tenant) : undefined;
  if (!edits?.ok) throw new Error("it was refused");
  return edits.value;
}

test("each tenant's prompts are cached apart, and the same tenant's together", () => {
  const salt = amend({ model: "m" }, "key_a").set.cache_salt;
  expect(salt).toBe(amend({ model: "m" }, "key_a").set.cache_salt);
  expect(salt).not.toBe(amend({ model: "m" }, "key_b").set.cache_salt);
  // The id of a key is nobody's business.
  expect(salt).not.toContain("key_a");
});

test("a client's own salt parts its cache further, and never opens another tenant's", () => {
  const other = cacheSalt("key_b", undefined);
  const salt = amend({ cache_salt: other }, "key_a").set.cache_salt;
  expect(salt).toBe(JSON.stringify(`${cacheSalt("key_a", undefined)}.${other}`));
});

test("a priority is taken out by name: the server has one queue for all tenants", () => {
  expect(amend({ priority: 1 }, "t")).toMatchObject({ remove: ["priority"], adjusted: ["priority ignored"] });
});

test("a translated request and a completion have the salt too, and the server's name of the model", () => {
  const request = { model: "tiny", stream: false, includeUsage: false, stop: [], sampling: {} };
  const chat = vllmWire.plan({ ...request, messages: [], tools: [], output: { kind: "text" } }, REPLICA, "key_a");
  const completion = vllmWire.completions?.plan({ ...request, prompt: "p" }, {}, REPLICA, "key_a");
  for (const call of [chat, completion]) {
    const body: unknown = JSON.parse(call?.ok ? call.value.body : "{}");
    expect(body).toMatchObject({ model: "org/Tiny", cache_salt: cacheSalt("key_a", undefined) });
  }
});

const gauges = (cache: string): string => `# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny"} 3.0
vllm:num_requests_waiting{engine="0",model_name="tiny"} 2.0
${cache}{engine="0",model_name="tiny"} 0.256
`;

test("an agent's limit on the answer becomes what fits beside its prompt", () => {
  const messages = [{ role: "user", content: "word ".repeat(REPLICA.contextTokens / 2) }];
  const long = REPLICA.contextTokens - 10;
  expect(amend({ messages, max_tokens: long, max_completion_tokens: null }, "t")).toMatchObject({
    remove: ["max_tokens"],
    adjusted: ["max_tokens fitted to the context"],
  });
  expect(amend({ messages, max_tokens: 5 }, "t")).toMatchObject({ remove: [], adjusted: [] });
  const request = {
    model: "m",
    messages: [{ role: "user" as const, parts: [{ type: "text" as const, text: messages[0]?.content ?? "" }] }],
    stream: false,
    includeUsage: false,
    stop: [],
    sampling: {},
    tools: [],
    output: { kind: "text" as const },
    maxOutputTokens: long,
  };
  const planned = vllmWire.plan(request, REPLICA, "t");
  if (!planned.ok) throw new Error("not planned");
  expect(JSON.parse(planned.value.body)).not.toHaveProperty("max_tokens");
  expect(planned.value.adjusted).toEqual(["max_tokens fitted to the context"]);
});

test("queue and cache are read under the cache gauge's new name and its old one", () => {
  const load = { running: 3, waiting: 2, kvCacheUsage: 0.26 };
  expect(toLoad(parseMetrics(gauges("vllm:kv_cache_usage_perc")))).toEqual(load);
  expect(toLoad(parseMetrics(gauges("vllm:gpu_cache_usage_perc")))).toEqual(load);
  expect(toLoad(parseMetrics(""))).toBeNull();
});

test("a prompt's count is read out of what /tokenize says", () => {
  expect(vllmWire.readCount?.({ count: 21, max_model_len: 1024, tokens: [257], token_strs: null })).toBe(21);
  expect(vllmWire.readCount?.({ detail: "Not Found" })).toBeNull();
});
