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

test("what happened before the library was loaded is counted all the same", async () => {
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
