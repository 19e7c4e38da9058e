import { expect, test } from "bun:test";
import type { UsageRecord } from "../core/usage-record.ts";
import { Metrics } from "./metrics.ts";

const record: UsageRecord = {
  requestId: "req_1",
  at: 0,
  userId: "usr_1",
  keyId: "key_1",
  protocol: "openai",
  endpoint: "/v1/chat/completions",
  requestedModel: "auto",
  servedModel: "flock-tiny",
  node: "local",
  engine: "embedded",
  replica: "local/flock-tiny",
  promptTokens: 12,
  completionTokens: 5,
  cachedTokens: 4,
  latencyMs: 40,
  ttftMs: 20,
  queueMs: 0,
  attempts: 1,
  routeReason: "auto",
  priceMicros: 0,
  outcome: "ok",
  errorKind: "",
};

test("requests are added up by model, protocol and outcome", async () => {
  const metrics = new Metrics();
  metrics.requestStarted();
  metrics.requestEnded(record, 200);
  metrics.requestStarted();
  metrics.streamOpened();
  const { text } = await metrics.render();
  expect(text).toContain(
    'flock_requests_total{model="flock-tiny",protocol="openai",outcome="ok",error="",status="200"} 1',
  );
  expect(text).toContain('flock_tokens_total{model="flock-tiny",kind="completion"} 5');
  expect(text).toContain('flock_time_to_first_token_seconds_bucket{le="0.025",model="flock-tiny",protocol="openai"} 1');
  expect(text).toContain("flock_requests_in_flight 1");
  expect(text).toContain("flock_open_streams 1");
});

test("what a client typed as a model never becomes a label", async () => {
  const metrics = new Metrics();
  metrics.requestStarted();
  metrics.requestEnded(
    { ...record, requestedModel: "evil-name", servedModel: "", outcome: "error", errorKind: "unknown_model" },
    404,
  );
  const { text } = await metrics.render();
  expect(text).not.toContain("evil-name");
  expect(text).toContain('error="unknown_model",status="404"} 1');
});

test("histograms are cumulative, with a sum and a count, over every kind of success", async () => {
  const metrics = new Metrics();
  for (const latencyMs of [4, 40, 400_000]) metrics.requestEnded({ ...record, latencyMs, ttftMs: null }, 200);
  metrics.requestEnded({ ...record, protocol: "anthropic" }, 200);
  metrics.requestEnded({ ...record, outcome: "error", errorKind: "engine_failed" }, 502);
  const { text } = await metrics.render();
  const name = "flock_request_duration_seconds";
  const labels = 'model="flock-tiny",protocol="openai"';
  for (const [le, count] of [
    ["0.005", 1],
    ["0.025", 1],
    ["0.05", 2],
    ["300", 2],
    ["+Inf", 3],
  ])
    expect(text).toContain(`${name}_bucket{le="${le}",${labels}} ${count}\n`);
  expect(text).toContain(`${name}_sum{${labels}} 400.044\n`);
  expect(text).toContain(`${name}_count{${labels}} 3\n`);
  expect(text).toContain(`# TYPE ${name} histogram`);
  expect(text).toContain('flock_tokens_total{model="flock-tiny",kind="prompt"} 60');
});

test("how many wait for each model stands there, and how long those who were answered had waited", async () => {
  const metrics = new Metrics();
  for (const queueMs of [0, 2_000]) metrics.requestEnded({ ...record, queueMs }, 200);
  const { text } = await metrics.render([
    { model: "flock-tiny", waiting: 3 },
    { model: "other", waiting: 0 },
  ]);
  expect(text).toContain('flock_queue_length{model="flock-tiny"} 3\n');
  expect(text).toContain('flock_queue_length{model="other"} 0\n');
  expect(text).toContain('flock_queue_wait_seconds_bucket{le="1",model="flock-tiny",protocol="openai"} 1\n');
  expect(text).toContain('flock_queue_wait_seconds_bucket{le="2.5",model="flock-tiny",protocol="openai"} 2\n');
});
