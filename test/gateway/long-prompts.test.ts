import { afterEach, expect, test } from "bun:test";
import { UNLIMITED } from "../../src/core/principal.ts";
import { llamaCppWire } from "../../src/engine/llama-cpp/wire.ts";
import { ScannedBody } from "../../src/wire/scan-body.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { type GatewayOptions, startGateway, type TestGateway } from "../support/start-gateway.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
});

/** Two replicas, and the bodies of the requests that were planned for them. */
async function start(options: Partial<GatewayOptions> = {}) {
  const bodies: ScannedBody[] = [];
  const lengths: number[] = [];
  const wire: typeof llamaCppWire = {
    ...llamaCppWire,
    amend(body, replica, tenant) {
      if (!(body instanceof ScannedBody)) throw new Error("a chat's body is scanned");
      bodies.push(body);
      lengths.push(body.bytes.length);
      return llamaCppWire.amend?.(body, replica, tenant) ?? { ok: true, value: { set: {}, remove: [], adjusted: [] } };
    },
  };
  const engines: ScriptedEngine[] = [await startScriptedEngine(), await startScriptedEngine()];
  const gateway: TestGateway = startGateway({ engines, wire, ...options });
  running.push(...engines, gateway);
  return { gateway, engines, bodies, lengths };
}

/** As an agent sends it. */
const LONG = { stream: true, messages: [{ role: "user", content: "long ".repeat(50_000) }] };

test("a prompt is kept for another try until the first content, and not after it", async () => {
  const end = Promise.withResolvers<void>();
  const { gateway, engines, bodies, lengths } = await start({ replica: { contextTokens: 1_000_000 } });
  let asked = 0;
  for (const engine of engines) {
    engine.script = () =>
      (asked += 1) === 1 ? { fault: "cut", faultAfter: 0 } : { text: "one two", until: end.promise };
  }
  const answer = await gateway.chat(LONG);
  const reader = answer.body?.getReader();
  await reader?.read();
  expect(lengths).toHaveLength(2);
  expect(Math.min(...lengths)).toBeGreaterThan(250_000);
  expect(gateway.records).toHaveLength(0);
  expect(bodies.map(({ bytes }) => bytes.length)).toEqual(bodies.map(() => 0));
  end.resolve();
  while ((await reader?.read())?.done === false);
  expect(gateway.records).toMatchObject([{ outcome: "ok", attempts: 2 }]);
});

test("of a key with a daily quota it is kept to the end: an answer that is cut off is counted by it", async () => {
  const end = Promise.withResolvers<void>();
  const { gateway, engines, bodies } = await start({
    keys: { any: { limits: { ...UNLIMITED, dailyTokens: 10_000_000 } } },
    replica: { contextTokens: 1_000_000 },
  });
  for (const engine of engines) engine.script = { text: "one two", until: end.promise };
  const answer = await gateway.chat(LONG);
  const reader = answer.body?.getReader();
  await reader?.read();
  expect(bodies.at(-1)?.bytes.length).toBeGreaterThan(250_000);
  end.resolve();
  while ((await reader?.read())?.done === false);
});
