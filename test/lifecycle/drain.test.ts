import { afterAll, expect, test } from "bun:test";
import { isAlive } from "../../src/cluster/process-identity.ts";
import { startScriptedEngine } from "../support/scripted-engine.ts";
import { poll, processesOf, startFlock } from "../support/start-flock.ts";

const engine = await startScriptedEngine();
afterAll(() => engine.stop());

const WORDS = Array.from({ length: 12 }, (_, index) => `w${index}`).join(" ");
const env = { FLOCK_ENGINE: "llamacpp", FLOCK_LLAMACPP_ENDPOINT: engine.url };
const body = JSON.stringify({ model: "auto", stream: true, messages: [{ role: "user", content: "hi" }] });

test("SIGINT lets a running stream end, and refuses what comes after it", async () => {
  engine.script = { text: WORDS, tokenDelayMs: 60 };
  const flock = await startFlock({ env });
  const { agent } = processesOf(flock.dataDir);
  const stream = await flock.fetch("/v1/chat/completions", { method: "POST", body });
  const stopped = flock.signal("SIGINT");
  await poll(5_000, () => flock.stdout().includes("▶ stopping"));
  const late = await fetch(`${flock.url}/healthz`, { keepalive: false }).catch(() => null);
  expect(late?.ok ?? false).toBe(false);
  const text = await stream.text();
  expect(text).toContain("w11");
  expect(text).toContain("data: [DONE]");
  expect(await stopped).toBe(0);
  expect(isAlive(agent ?? 0)).toBe(false);
  await flock.stop();
});

test("a second SIGINT cuts a stream that does not end, in order: exit 0, its usage is kept, nothing left running", async () => {
  engine.script = { text: WORDS, fault: "silent", faultAfter: 3 };
  const flock = await startFlock({ env });
  const { agent } = processesOf(flock.dataDir);
  const stream = await flock.fetch("/v1/chat/completions", { method: "POST", body });
  const cut = stream.text().then(
    (text) => text.includes("[DONE]"),
    () => false,
  );
  const stopped = flock.signal("SIGINT");
  await poll(5_000, () => flock.stdout().includes("▶ stopping"));
  // Within 300 ms of the first, which was counted before its line was printed, it would be the same press.
  await Bun.sleep(350);
  const pressedAt = performance.now();
  void flock.signal("SIGINT");
  expect(await stopped).toBe(0);
  expect(performance.now() - pressedAt).toBeLessThan(5_000);
  expect(await cut).toBe(false);
  expect(isAlive(agent ?? 0)).toBe(false);

  engine.script = { text: WORDS };
  const next = await startFlock({ env, dataDir: flock.dataDir });
  const usage = await next.cli("usage", "--json");
  const rows = (JSON.parse(usage.stdout) as { records: { outcome: string }[] }).records;
  expect(rows.map((row) => row.outcome)).toEqual(["cancelled"]);
  await next.stop();
  await flock.stop();
});

test("a client that holds an idle connection open does not delay the stop", async () => {
  const flock = await startFlock({ env });
  const idle = await Bun.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(flock.url).port),
    socket: { data: () => undefined },
  });
  idle.write("GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
  const startedAt = performance.now();
  expect(await flock.signal("SIGTERM")).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  idle.end();
  await flock.stop();
});
