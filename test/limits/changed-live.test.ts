import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { type Flock, runFlockCli, startFlock, temporaryDirectory } from "../support/start-flock.ts";

const dataDir = temporaryDirectory();
let engine: ScriptedEngine;
let env: Record<string, string>;
let flock: Flock;

beforeAll(async () => {
  engine = await startScriptedEngine();
  env = { FLOCK_ENGINE: "llamacpp", FLOCK_LLAMACPP_ENDPOINT: engine.url };
  flock = await startFlock({ dataDir, env });
}, 30_000);
afterAll(async () => {
  await runFlockCli(dataDir, ["down"], env);
  await engine.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function cli(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await flock.cli(...args);
  if (code !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function newKey(...args: string[]): Promise<string> {
  return (await cli("token", "create", ...args)).trim();
}

async function chat(key: string, model = "auto"): Promise<[number, string, string]> {
  const answer = await flock.fetch("/v1/chat/completions", {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
  });
  return [answer.status, answer.headers.get("x-flock-route") ?? "", await answer.text()];
}

const statusOf = async (key: string, model?: string): Promise<number> => (await chat(key, model))[0];

async function listed(key: string): Promise<string[]> {
  const answer = await flock.fetch("/v1/models", { headers: { authorization: `Bearer ${key}` } });
  return ((await answer.json()) as { data: { id: string }[] }).data.map(({ id }) => id).sort();
}

test("a key's rights change at once in the running gateway, and its use of today is listed", async () => {
  const key = await newKey("alice", "--quota", "100000");
  expect(await statusOf(key)).toBe(200);
  await cli("token", "edit", "alice", "--models", "qwen3-*");
  const [status, , body] = await chat(key);
  expect([status, JSON.parse(body)]).toMatchObject([
    403,
    { error: { code: "insufficient_permissions", message: expect.stringContaining("flock token edit") } },
  ]);
  expect(await listed(key)).toEqual([]);
  await cli("token", "edit", "alice", "--models", "scrip*");
  expect([await statusOf(key), await listed(key)]).toEqual([200, ["scripted"]]);
  await cli("token", "edit", "alice", "--models", "*", "--quota", "5");
  expect(await statusOf(key)).toBe(429);
  await cli("token", "edit", "alice", "--quota", "0", "--concurrency", "1", "--rpm", "2");
  expect([await statusOf(key), await statusOf(key), await statusOf(key)]).toEqual([200, 200, 429]);
  await cli("token", "edit", "alice", "--rpm", "0", "--expires", "1h", "--local-only", "--priority", "batch");
  expect(await statusOf(key)).toBe(200);
  const { tokens } = JSON.parse(await cli("token", "ls", "--json")) as { tokens: Record<string, unknown>[] };
  expect(tokens.find(({ name }) => name === "alice")).toMatchObject({
    limits: { daily_tokens: 0, requests_per_minute: 0, tokens_per_minute: 0, concurrency: 1 },
    models: [],
    local_only: true,
    priority: "batch",
    // Five answers of the scripted engine: ten tokens of prompt, five of text.
    used_today: 75,
    last_used_at: expect.any(Number),
  });
  const audit = await cli("audit", "--json");
  expect(audit.match(/token\.edit/g)?.length).toBe(5);
}, 60_000);

test("a key that gets its quota in the middle of the day starts with what it has used", async () => {
  const key = await newKey("late");
  expect(await statusOf(key)).toBe(200);
  // Fifteen are used; eleven more are the least that a request takes.
  await cli("token", "edit", "late", "--quota", "20");
  expect(await statusOf(key)).toBe(429);
  await cli("token", "edit", "late", "--quota", "26");
  expect(await statusOf(key)).toBe(200);
}, 60_000);

test("aliases count at once, for everybody or one key, a Claude name among them", async () => {
  const [one, other] = [await newKey("one"), await newKey("other")];
  expect(await statusOf(one, "fast")).toBe(404);
  await cli("alias", "set", "fast", "scripted");
  await cli("alias", "set", "claude-haiku-4-5", "fast");
  await cli("alias", "set", "mine", "auto", "--key", "one");
  expect((await chat(other, "fast")).slice(0, 2)).toEqual([200, expect.stringContaining("alias fast")]);
  expect((await chat(other, "claude-haiku-4-5"))[1]).toContain("alias claude-haiku-4-5");
  expect([await statusOf(one, "mine"), await statusOf(other, "mine")]).toEqual([200, 404]);
  expect(await listed(one)).toEqual(["claude-haiku-4-5", "fast", "mine", "scripted"]);
  expect(await listed(other)).toEqual(["claude-haiku-4-5", "fast", "scripted"]);

  const refused = await flock.cli("alias", "set", "slow", "scriptde");
  expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining("scripted")]);
  expect((await flock.cli("alias", "set", "fast", "claude-haiku-4-5")).stderr).toContain("circle");
  expect((await flock.cli("alias", "set", "scripted", "fast")).stderr).toContain("never be used");
  expect((await flock.cli("alias", "rm", "fats")).stderr).toContain("did you mean fast?");
  await cli("alias", "rm", "mine");
  expect(await statusOf(one, "mine")).toBe(404);
  expect(await cli("alias", "ls")).toContain("claude-haiku-4-5");
}, 60_000);

test("the default is chosen, shown with who chose it, kept over a restart, and the environment is stronger", async () => {
  expect(await cli("default", "scripted")).toContain("scripted");
  const shown = async (): Promise<unknown> =>
    (JSON.parse(await cli("config", "show", "--json")) as { settings: { key: string }[] }).settings.find(
      ({ key }) => key === "router.default_model",
    );
  expect(await shown()).toMatchObject({ value: "scripted", origin: "store" });
  expect(JSON.parse(await cli("status", "--json"))).toMatchObject({ default_model: "scripted" });
  const unknown = await flock.cli("default", "scripetd");
  expect([unknown.code, unknown.stderr]).toEqual([5, expect.stringContaining("scripted")]);

  await cli("down");
  // Also while nothing runs.
  expect(await shown()).toMatchObject({ origin: "store" });
  flock = await startFlock({ dataDir, env: { ...env, FLOCK_DEFAULT_MODEL: "scripted" } });
  expect(await shown()).toMatchObject({ origin: "env" });
  const shadowed = await flock.cli("default", "--clear");
  expect([shadowed.code, shadowed.stderr]).toEqual([1, expect.stringContaining("FLOCK_DEFAULT_MODEL")]);
  expect(await cli("default")).toContain("set by FLOCK_DEFAULT_MODEL");
  expect(await cli("alias", "ls")).toContain("fast");
}, 60_000);
