import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { type Flock, poll, runFlockCli, startFlock, temporaryDirectory } from "../support/start-flock.ts";
import { describePostgres, startPostgres, type TestPostgres } from "../support/start-postgres.ts";

const PROMPT = 10;
const ANSWER = 50;
/** Enough for ten answers and a part of one. */
const QUOTA = 10 * (PROMPT + ANSWER) + 30;
const WAIT_MS = 20_000;

describePostgres("two leaders on one PostgreSQL", () => {
  const dirs = [temporaryDirectory(), temporaryDirectory()] as const;
  let postgres: TestPostgres;
  let engine: ScriptedEngine;
  let env: Record<string, string>;
  let one: Flock;
  let other: Flock;

  beforeAll(async () => {
    postgres = await startPostgres();
    await postgres.admin`create database flock`;
    const text = Array.from({ length: ANSWER }, (_, at) => ` word${at}`).join("");
    engine = await startScriptedEngine();
    engine.script = { text, usage: { prompt: PROMPT, completion: ANSWER } };
    env = {
      FLOCK_STORAGE_TYPE: "postgres",
      FLOCK_STORAGE_DSN: postgres.dsn("flock"),
      FLOCK_ENGINE: "llamacpp",
      FLOCK_LLAMACPP_ENDPOINT: engine.url,
    };
    one = await startFlock({ dataDir: dirs[0], env });
    other = await startSecond();
  }, 60_000);
  afterAll(async () => {
    for (const dir of dirs) await runFlockCli(dir, ["down"], env);
    await engine.stop();
    await postgres.remove();
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  /** It has no admin key of its own: the first one's is in the database. */
  async function startSecond(): Promise<Flock> {
    await Bun.write(`${dirs[1]}/admin.key`, `${one.adminKey}\n`);
    return startFlock({ dataDir: dirs[1], env });
  }

  async function newKey(...args: string[]): Promise<string> {
    const made = await one.cli("token", "create", ...args);
    if (made.code !== 0) throw new Error(made.stderr);
    const key = made.stdout.trim();
    // The other one knows it within seconds.
    await poll(WAIT_MS, async () => (await models(other, key)) === 200);
    return key;
  }

  async function done(flock: Flock, ...args: string[]): Promise<void> {
    const { code, stderr } = await flock.cli(...args);
    expect([args, code, stderr]).toEqual([args, 0, ""]);
  }

  async function models({ url }: Flock, key: string): Promise<number> {
    return (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;
  }

  interface Seen {
    readonly status: number;
    readonly finish: string;
    /** Refused only because of what runs, or is not written down yet. */
    readonly busy: boolean;
  }

  /** One after the other until none is let in; gives those that were. */
  async function untilSpent(flock: Flock, key: string): Promise<Seen[]> {
    const seen: Seen[] = [];
    for (let asked = 0; asked < 1000; asked += 1) {
      const one = await chat(flock, key);
      if (one.status === 200) seen.push(one);
      else if (one.busy) await Bun.sleep(20);
      else return seen;
    }
    throw new Error("the quota never ends");
  }

  async function chat({ url }: Flock, key: string, model = "auto"): Promise<Seen> {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "hi" }] }),
    });
    const text = await answer.text();
    const finish = /"finish_reason":"(\w+)"/.exec(text)?.[1] ?? "";
    return { status: answer.status, finish, busy: text.includes("set aside for this key's running requests") };
  }

  /** Whoever lists keys has settled its own journal, so the one that is asked last has both. */
  async function usedBy(name: string): Promise<number> {
    let used = -1;
    for (const flock of [other, one]) {
      const { tokens } = JSON.parse((await flock.cli("token", "ls", "--json")).stdout) as {
        tokens: { name: string; used_today: number }[];
      };
      used = tokens.find((key) => key.name === name)?.used_today ?? -1;
    }
    return used;
  }

  test("each sees the other's new, changed and revoked keys, aliases and default within seconds", async () => {
    const key = await newKey("alice");
    expect((await chat(other, key)).status).toBe(200);
    await done(one, "token", "edit", "alice", "--models", "nothing");
    await poll(WAIT_MS, async () => (await chat(other, key)).status === 403);
    await done(other, "token", "edit", "alice", "--models", "*");
    await poll(WAIT_MS, async () => (await chat(one, key)).status === 200);
    await done(one, "alias", "set", "fast", "scripted");
    await poll(WAIT_MS, async () => (await chat(other, key, "fast")).status === 200);
    await done(other, "default", "scripted");
    await poll(WAIT_MS, async () => (await one.cli("default")).stdout.includes("flock default"));
    await done(other, "token", "revoke", "alice", "--yes");
    await poll(WAIT_MS, async () => (await models(one, key)) === 401);
  }, 60_000);

  test("they never overspend one quota together, and what is left can be had at either", async () => {
    const key = await newKey("together", "--quota", String(QUOTA));
    const all = await Promise.all(Array.from({ length: 100 }, (_, at) => chat(at % 2 === 0 ? one : other, key)));
    const served = all.filter(({ status }) => status === 200);
    for (const flock of [one, other, one]) served.push(...(await untilSpent(flock, key)));
    expect(served.some(({ finish }) => finish === "length")).toBe(true);
    const used = await usedBy("together");
    expect([used, used <= QUOTA]).toEqual([used, true]);
    expect(used).toBeGreaterThan(QUOTA - PROMPT - 1);
  }, 60_000);

  test("a leader that is killed takes nothing with it: started again, the rest of the quota can be used", async () => {
    const key = await newKey("killed", "--quota", String(QUOTA));
    const cut = Array.from({ length: 8 }, () => chat(other, key).catch(() => null));
    await Promise.race(cut);
    await other.kill();
    await Promise.all(cut);
    other = await startSecond();
    await untilSpent(one, key);
    await untilSpent(other, key);
    const used = await usedBy("killed");
    expect([used, used <= QUOTA]).toEqual([used, true]);
    expect(used).toBeGreaterThan(QUOTA - PROMPT - 1);
  }, 60_000);

  test("requests a minute and requests at once are one limit at both", async () => {
    const minute = await newKey("minute", "--rpm", "9");
    const statuses = await Promise.all(
      Array.from({ length: 30 }, async (_, at) => (await chat(at % 2 === 0 ? one : other, minute)).status),
    );
    expect(statuses.filter((status) => status === 200).length).toBe(9);

    const slow = engine.script;
    // Whichever comes first runs until the others have been refused.
    const refused = Promise.withResolvers<void>();
    engine.script = { text: "one two three", until: refused.promise };
    const single = await newKey("single", "--concurrency", "1");
    let ended = 0;
    const ask = async (flock: Flock): Promise<number> => {
      const { status } = await chat(flock, single);
      if (++ended === 2) refused.resolve();
      return status;
    };
    const together = await Promise.all([ask(one), ask(other), ask(one)]);
    engine.script = slow;
    expect(together.sort((a, b) => a - b)).toEqual([200, 429, 429]);
    await poll(WAIT_MS, async () => (await chat(other, single)).status === 200);
  }, 60_000);
});
