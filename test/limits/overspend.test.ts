import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { isAlive } from "../../src/cluster/process-identity.ts";
import type { Script } from "../support/script.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { type Flock, poll, runFlockCli, startFlock, temporaryDirectory } from "../support/start-flock.ts";

const PROMPT = 10;
const ANSWER = 50;
/** Enough for ten answers and a part of one. */
const QUOTA = 10 * (PROMPT + ANSWER) + 30;

const SCRIPT: Script = {
  text: Array.from({ length: ANSWER }, (_, at) => ` word${at}`).join(""),
  usage: { prompt: PROMPT, completion: ANSWER },
};

const dataDir = temporaryDirectory();
let engine: ScriptedEngine;
let env: Record<string, string>;
let flock: Flock;

beforeAll(async () => {
  engine = await startScriptedEngine();
  engine.script = SCRIPT;
  const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  // The same for every start: a restart is on the port that there was.
  const FLOCK_LISTEN = `127.0.0.1:${free.port}`;
  free.stop(true);
  env = { FLOCK_ENGINE: "llamacpp", FLOCK_LLAMACPP_ENDPOINT: engine.url, FLOCK_LISTEN };
  flock = await startFlock({ dataDir, env });
}, 30_000);
afterAll(async () => {
  await runFlockCli(dataDir, ["down"], env);
  await engine.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function newKey(name: string): Promise<string> {
  const made = await flock.cli("token", "create", name, "--quota", String(QUOTA));
  if (made.code !== 0) throw new Error(made.stderr);
  return made.stdout.trim();
}

interface Seen {
  readonly status: number;
  readonly finish: string;
  /** Refused only because of what runs, or is not written down yet. */
  readonly busy: boolean;
}

async function chat(key: string, stream: boolean): Promise<Seen> {
  const answer = await fetch(`${flock.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    // At a restart the process that goes closes what it has no answer on.
    keepalive: false,
    body: JSON.stringify({ model: "auto", stream, messages: [{ role: "user", content: "hi" }] }),
  });
  const text = await answer.text();
  const finish = /"finish_reason":"(\w+)"/.exec(text)?.[1] ?? "";
  return { status: answer.status, finish, busy: text.includes("set aside for this key's running requests") };
}

async function usedBy(name: string): Promise<number> {
  const listed = await flock.cli("token", "ls", "--json");
  const { tokens } = JSON.parse(listed.stdout) as { tokens: { name: string; used_today: number }[] };
  return tokens.find((key) => key.name === name)?.used_today ?? -1;
}

/** One after the other until none is let in; gives those that were. */
async function untilSpent(key: string): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let asked = 0; asked < 1000; asked += 1) {
    const one = await chat(key, asked % 2 === 0);
    if (one.status === 200) seen.push(one);
    else if (one.busy) await Bun.sleep(20);
    else return seen;
  }
  throw new Error("the quota never ends");
}

test.each([
  ["streams", (): boolean => true],
  ["whole answers", (): boolean => false],
  ["both", (at: number): boolean => at % 2 === 0],
])(
  "100 parallel requests against a quota for ten: %s are never over, and the last answer ends with length",
  async (name, streams) => {
    const key = await newKey(name.replace(" ", "-"));
    const all = await Promise.all(Array.from({ length: 100 }, (_, at) => chat(key, streams(at))));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200, 429]));
    const served = [...all.filter(({ status }) => status === 200), ...(await untilSpent(key))];
    expect(served.some(({ finish }) => finish === "length")).toBe(true);
    const used = await usedBy(name.replace(" ", "-"));
    expect([used, used <= QUOTA]).toEqual([used, true]);
    // To the last token: the next request would need more than is left.
    expect(used).toBeGreaterThan(QUOTA - PROMPT - 1);
  },
  60_000,
);

test("killed in the middle and started again, the sums come from the journal and the quota holds", async () => {
  const key = await newKey("killed");
  const finished: Seen[] = [];
  for (let round = 0; round < 3; round += 1) {
    const all = Array.from({ length: 20 }, () =>
      chat(key, true).then(
        (seen) => void finished.push(seen),
        () => undefined,
      ),
    );
    const before = finished.length;
    while (finished.length === before) await Bun.sleep(1);
    await flock.kill();
    await Promise.all(all);
    flock = await startFlock({ dataDir, env });
  }
  const served = [...finished.filter(({ status }) => status === 200), ...(await untilSpent(key))];
  const used = await usedBy("killed");
  expect([used, used <= QUOTA]).toEqual([used, true]);
  expect(served.filter(({ finish }) => finish === "stop").length * (PROMPT + ANSWER)).toBeLessThanOrEqual(used);
}, 90_000);

test("restarted without a pause in the middle, old and new process never overspend together", async () => {
  const key = await newKey("restarted");
  engine.script = { ...SCRIPT, tokenDelayMs: 10 };
  const streams = Array.from({ length: 7 }, () => chat(key, true));
  const [restarted, ...more] = await Promise.all([
    flock.cli("restart"),
    ...Array.from({ length: 20 }, async (_, at) => {
      await Bun.sleep(at * 40);
      return chat(key, at % 2 === 0);
    }),
  ]);
  expect([restarted.code, restarted.stderr]).toEqual([0, ""]);
  const all = [...(await Promise.all(streams)), ...more];
  engine.script = SCRIPT;
  expect(all.filter(({ status }) => status !== 200 && status !== 429)).toEqual([]);
  await untilSpent(key);
  await poll(10_000, () => !isAlive(flock.pid));
  const used = await usedBy("restarted");
  expect([used, used <= QUOTA]).toEqual([used, true]);
  expect(used).toBeGreaterThan(QUOTA - PROMPT - 1);
}, 60_000);
