import { afterEach, expect, test } from "bun:test";
import type { Script } from "../support/script.ts";
import { startScriptedEngine } from "../support/scripted-engine.ts";
import { type Chaos, type ChaosEngine, isLost, type Outcome, startChaos, until } from "../support/start-chaos.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
});

async function start(...engines: ChaosEngine[]): Promise<Chaos> {
  const chaos = await startChaos(engines);
  running.push(chaos);
  return chaos;
}

/** So many clients, each with one answer after the other, until `over` says so. Every third answer is in one piece. */
async function load(chaos: Chaos, clients: number, over: () => boolean, tokens = 60): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const client = async (at: number): Promise<void> => {
    for (let turn = at; !over(); turn++)
      outcomes.push(await (turn % 3 === 0 ? chaos.askWhole(tokens) : chaos.ask(tokens)));
  };
  await Promise.all(Array.from({ length: clients }, (_, at) => client(at)));
  return outcomes;
}

/** Runs `harm` under load, then lets the load go on until `healed`. */
async function under(chaos: Chaos, harm: () => void | Promise<void>, healed: () => boolean): Promise<Outcome[]> {
  let over = false;
  const outcomes = load(chaos, 8, () => over);
  await until("answers flow", () => chaos.records.length > 8);
  await harm();
  try {
    await until("it has healed", healed);
    const before = chaos.records.length;
    await until("answers flow again", () => chaos.records.length > before + 8);
  } finally {
    over = true;
  }
  return await outcomes;
}

function restarts(chaos: Chaos, at: number): number {
  return chaos.engines[at]?.status().restarts ?? 0;
}

function isReady(chaos: Chaos, at: number): boolean {
  return chaos.engines[at]?.status().state === "ready";
}

test("an engine that is killed or hangs under load costs no request that had no content yet", async () => {
  const chaos = await start("own", "own");
  const killed = await under(
    chaos,
    () => void process.kill(chaos.pid(0), "SIGKILL"),
    () => restarts(chaos, 0) >= 1 && isReady(chaos, 0),
  );
  expect(killed.filter(isLost)).toEqual([]);
  expect(killed.filter(({ end }) => end === "done").length).toBeGreaterThan(8);
  const hung = chaos.pid(0);
  const outcomes = await under(
    chaos,
    () => void process.kill(hung, "SIGSTOP"),
    () => restarts(chaos, 0) >= 2 && isReady(chaos, 0),
  );
  expect(outcomes.filter(isLost)).toEqual([]);
  expect(chaos.pid(0)).not.toBe(hung);
  expect(restarts(chaos, 1)).toBe(0);
}, 120_000);

test("with one engine only, what waited when it hung is answered after its restart", async () => {
  const chaos = await start("own");
  expect(await chaos.ask(5)).toMatchObject({ status: 200, end: "done" });
  process.kill(chaos.pid(0), "SIGSTOP");
  const outcomes = await Promise.all([chaos.ask(5), chaos.askWhole(5), chaos.ask(5)]);
  expect(outcomes.map(({ end }) => end)).toEqual(["done", "done", "done"]);
  expect(restarts(chaos, 0)).toBe(1);
}, 120_000);

const LIES: Readonly<Record<string, Script>> = {
  "200 with garbage": { fault: "not-json", faultAfter: 0 },
  "a stream that ends without an answer": { fault: "no-done", faultAfter: 0 },
  "healthy, and never a token": { firstTokenDelayMs: 600_000 },
  "another model than it lists": { text: "I am not the one", answersAs: "impostor" },
  "not even a status": { headerDelayMs: 600_000 },
  "500 to everything": { status: 500, body: '{"error":{"code":500,"message":"no","type":"server_error"}}' },
};

test("slow and lying engines cost no request, and a liar is shut", async () => {
  const stranger = await startScriptedEngine({ model: "tiny", slots: 4 });
  running.push(stranger);
  const chaos = await start({ url: stranger.url }, "own");
  const served = (engine: string): number => chaos.records.filter((record) => record.engine === engine).length;

  const slowly = (words: number): Script => {
    const text = Array.from({ length: words }, (_, at) => `word${at}`).join(" ");
    return { text, tokenDelayMs: 100, firstTokenDelayMs: 100 };
  };
  stranger.script = slowly(20);
  const slow = await load(chaos, 6, () => served("embedded") > 3);
  // Slow is what takes five times as long as the other one, on whatever machine this is.
  const own = chaos.records.filter(({ engine }) => engine === "embedded").map(({ latencyMs }) => latencyMs);
  stranger.script = slowly(Math.max(20, Math.ceil((5 * Math.max(...own)) / 100)));
  const before = { embedded: served("embedded"), llamacpp: served("llamacpp") };
  slow.push(...(await load(chaos, 6, () => served("llamacpp") > before.llamacpp + 3)));
  expect(slow.filter(({ end }) => end !== "done")).toEqual([]);
  // It is neither given up nor waited for by those who can go elsewhere.
  expect(served("embedded") - before.embedded).toBeGreaterThan(served("llamacpp") - before.llamacpp);

  for (const [lie, script] of Object.entries(LIES)) {
    const before = { requests: stranger.requests.length, served: served("llamacpp") };
    stranger.script = script;
    const end = chaos.records.length + 40;
    const outcomes = await load(chaos, 6, () => chaos.records.length > end, 10);
    expect([lie, outcomes.filter((outcome) => outcome.end !== "done")]).toEqual([lie, []]);
    // Not every request paid for it.
    expect(stranger.requests.length - before.requests).toBeLessThan(outcomes.length / 2);
    stranger.script = { text: "well again" };
    await load(chaos, 6, () => served("llamacpp") > before.served, 10);
  }
}, 120_000);

test("an engine of somebody else that hangs is marked out with its start command, and comes back by itself", async () => {
  const stranger = Bun.spawn([process.execPath, `${import.meta.dir}/../support/stranger.ts`], { stdout: "pipe" });
  running.push({
    async stop() {
      stranger.kill("SIGKILL");
      await stranger.exited;
    },
  });
  const first = await stranger.stdout.getReader().read();
  const url = new TextDecoder().decode(first.value).trim();
  const chaos = await start({ url }, "own");
  process.kill(stranger.pid, "SIGSTOP");
  const outcomes = await load(chaos, 4, () => !isReady(chaos, 0), 10);
  expect(outcomes.filter(isLost)).toEqual([]);
  expect(chaos.engines[0]?.status()).toMatchObject({ state: "stopped", managed: false });
  expect(chaos.engines[0]?.status().start).toContain("llama-server");
  process.kill(stranger.pid, "SIGCONT");
  await until("it is back", () => isReady(chaos, 0));
}, 120_000);
