import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/cluster/process-identity.ts";
import {
  type CliRun,
  type Flock,
  MAIN,
  poll,
  processesOf,
  runFlockCli,
  startFlock,
  testEnv,
} from "../support/start-flock.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";

let engine: ScriptedEngine;
let flock: Flock;
let env: Record<string, string>;

beforeAll(async () => {
  engine = await startScriptedEngine();
  const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  env = {
    FLOCK_ENGINE: "llamacpp",
    FLOCK_LLAMACPP_ENDPOINT: engine.url,
    // The same for every start: the agent knows it, to leave it alone when it looks for engines.
    FLOCK_LISTEN: `127.0.0.1:${free.port}`,
  };
  free.stop(true);
  flock = await startFlock({ env });
}, 30_000);
afterAll(async () => {
  await flock.stop();
  await engine.stop();
});

const leader = (): { pid: number; url: string } =>
  JSON.parse(readFileSync(join(flock.dataDir, "leader.json"), "utf8")) as { pid: number; url: string };

function ask(stream: boolean): Promise<Response> {
  const body = JSON.stringify({ model: "scripted", stream, messages: [{ role: "user", content: "hi" }] });
  // A connection of its own each time: which process answers is the kernel's choice then.
  return flock.fetch("/v1/chat/completions", { method: "POST", body, keepalive: false });
}

/** Asks without a pause, four at a time, until the returned function is called; gives the statuses. */
function load(): () => Promise<readonly number[]> {
  const statuses: number[] = [];
  const over = new AbortController();
  const lane = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const status = await ask(false).then(
        async (response) => {
          await response.text();
          return response.status;
        },
        () => 0,
      );
      statuses.push(status);
    }
  };
  const lanes = [lane(), lane(), lane(), lane()];
  return async () => {
    over.abort();
    await Promise.all(lanes);
    return statuses;
  };
}

async function usageRows(): Promise<number> {
  const answer = await flock.fetch("/admin/v1/usage/recent?limit=1000");
  return ((await answer.json()) as { records: unknown[] }).records.length;
}

test("a restart under load refuses nobody, lets running answers end, and keeps agent, engine and records", async () => {
  const held = Promise.withResolvers<void>();
  engine.script = { text: "one two three", until: held.promise };
  const stream = await ask(true);
  engine.script = { text: "quick" };
  const before = processesOf(flock.dataDir);
  const stopLoad = load();
  const restarted = await flock.cli("restart");
  expect([restarted.code, restarted.stderr]).toEqual([0, ""]);
  const successor = leader();
  expect(successor.pid).not.toBe(flock.pid);
  expect(successor.url).toBe(flock.url);
  // It is the one that the answer waits for, and nothing else.
  expect(isAlive(flock.pid)).toBe(true);
  // New requests are the successor's, while the old one still streams.
  expect((await ask(false)).status).toBe(200);
  held.resolve();
  expect(await stream.text()).toContain("data: [DONE]");
  await poll(30_000, () => !isAlive(flock.pid));
  expect(flock.stdout()).toContain("another process has taken over");
  const statuses = await stopLoad();
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect(processesOf(flock.dataDir)).toEqual(before);
  await poll(30_000, async () => (await usageRows()) === Math.min(1000, statuses.length + 2));
}, 120_000);

test("a successor that cannot start leaves the old one serving, and it can be restarted after that", async () => {
  const { pid } = leader();
  const failed = await runFlockCli(flock.dataDir, ["restart"], {
    ...env,
    FLOCK_TLS_CERT: "/nowhere",
    FLOCK_TLS_KEY: "/nowhere",
  });
  expect(failed.code).toBe(1);
  expect((await ask(false)).status).toBe(200);
  // It holds the directory again.
  expect((await flock.cli("token", "create", "after")).code).toBe(0);
  expect(leader().pid).toBe(pid);
  expect((await flock.cli("restart")).code).toBe(0);
  expect(leader().pid).not.toBe(pid);
  expect((await ask(false)).status).toBe(200);
}, 120_000);

test("where the database is held at that moment the old one goes on with all that it does, and can be restarted later", async () => {
  const before = leader().pid;
  const held = new Database(join(flock.dataDir, "state.db"));
  held.run("begin immediate");
  const refused = await flock.cli("restart");
  held.run("rollback");
  held.close();
  expect([refused.code, leader().pid]).toEqual([1, before]);
  // Changes are taken, and jobs run.
  expect((await flock.cli("usage", "rebuild")).code).toBe(0);
  expect((await flock.cli("restart")).code).toBe(0);
  expect(leader().pid).not.toBe(before);
}, 90_000);

test("a restart typed in another shell keeps settings and engines; a setting that it is given counts", async () => {
  const before = processesOf(flock.dataDir);
  const settings = async (): Promise<unknown[]> => {
    const answer = await flock.fetch("/admin/v1/config", { keepalive: false });
    const { settings } = (await answer.json()) as { settings: { key: string; value: unknown }[] };
    const wanted = ["engine.preferred", "log_level", "router.sticky_sessions"];
    return wanted.map((key) => settings.find((one) => one.key === key)?.value);
  };
  // As from a login shell: neither the settings, nor the language, nor the path of programs are those of the start.
  const elsewhere = async (args: readonly string[], given: Record<string, string>): Promise<CliRun> => {
    const language = { LANG: "de_DE.UTF-8", OLLAMA_DEBUG: "1", PATH: `/nowhere:${process.env["PATH"]}` };
    const { FLOCK_DATA_DIR, PATH } = testEnv(flock.dataDir, language);
    const env = { ...language, PATH: PATH ?? "", FLOCK_DATA_DIR: FLOCK_DATA_DIR ?? "", ...given };
    const child = Bun.spawn([process.execPath, MAIN, "restart", ...args], { env, stdout: "pipe", stderr: "pipe" });
    const said = [new Response(child.stdout).text(), new Response(child.stderr).text()] as const;
    const [stdout, stderr] = await Promise.all(said);
    return { stdout, stderr, code: await child.exited };
  };
  const flagged = await elsewhere(["--log-level", "warn"], { FLOCK_ROUTER_STICKY_SESSIONS: "false" });
  expect([flagged.code, flagged.stderr]).toEqual([0, ""]);
  expect(await settings()).toEqual(["llamacpp", "warn", false]);
  const plain = await elsewhere([], { FLOCK_ROUTER_STICKY_SESSIONS: "" });
  expect([plain.code, plain.stderr]).toEqual([0, ""]);
  expect(await settings()).toEqual(["llamacpp", "warn", true]);
  expect(processesOf(flock.dataDir)).toEqual(before);
  expect(leader().url).toBe(flock.url);
}, 120_000);

test("a successor that is given a port which another program has is refused, and the old one goes on", async () => {
  const { pid } = leader();
  const before = processesOf(flock.dataDir);
  using other = Bun.serve({ hostname: "127.0.0.1", port: 0, reusePort: true, fetch: () => new Response("not Flock") });
  const failed = await runFlockCli(flock.dataDir, ["restart"], { ...env, FLOCK_LISTEN: `127.0.0.1:${other.port}` });
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining("is in use by another program")]);
  expect(leader().pid).toBe(pid);
  expect(processesOf(flock.dataDir)).toEqual(before);
  expect((await ask(false)).status).toBe(200);
}, 120_000);

test("after a crash under load new requests are served at once, by the same agent and engine", async () => {
  const before = processesOf(flock.dataDir);
  const stopLoad = load();
  process.kill(leader().pid, "SIGKILL");
  const again = await startFlock({ dataDir: flock.dataDir, env });
  expect((await ask(false)).status).toBe(200);
  const statuses = await stopLoad();
  expect(statuses.at(-1)).toBe(200);
  expect(statuses.filter((status) => status !== 200 && status !== 0)).toEqual([]);
  expect(processesOf(flock.dataDir)).toEqual(before);
  expect(again.url).toBe(flock.url);
}, 120_000);
