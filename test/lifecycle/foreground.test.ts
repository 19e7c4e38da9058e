import { afterAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/cluster/process-identity.ts";
import {
  MAIN,
  poll,
  processesOf,
  runFlockCli,
  startFlock,
  temporaryDirectory,
  testEnv,
} from "../support/start-flock.ts";

const dataDir = join(temporaryDirectory(), "with space");
afterAll(async () => {
  await runFlockCli(dataDir, ["down"]);
  rmSync(join(dataDir, ".."), { recursive: true, force: true });
});

async function paste(stdout: string): Promise<string> {
  const line = stdout.split("\n").find((text) => text.includes("curl") && text.includes("/v1/chat/completions"));
  const run = Bun.spawn(["bash", "-c", line ?? "exit 9"], { stdout: "pipe", stderr: "ignore" });
  const text = await new Response(run.stdout).text();
  expect(await run.exited).toBe(0);
  const answer = JSON.parse(text) as { choices?: { message: { content: string } }[] };
  return answer.choices?.[0]?.message.content ?? text;
}

const readyBlock = (flock: { stdout(): string }) =>
  poll(10_000, () => (/Flock is ready[\s\S]*Try it:\n.*\n/.test(flock.stdout()) ? flock.stdout() : null));

const mode = (path: string): number => statSync(path).mode & 0o777;

test("the first start ends at a block whose URLs answer and whose curl line works; the files are the owner's only", async () => {
  const flock = await startFlock({ dataDir });
  const block = await readyBlock(flock);
  const dashboard = /Dashboard: +(\S+)/.exec(block)?.[1] ?? "";
  const page = await fetch(dashboard);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, expect.stringContaining("text/html")]);
  const api = /API: +(\S+)/.exec(block)?.[1] ?? "";
  expect((await fetch(`${api}/models`, { headers: { authorization: `Bearer ${flock.adminKey}` } })).status).toBe(200);
  expect(block).toContain(`Admin API key:   ${flock.adminKey}`);
  expect(await paste(block)).not.toBe("");
  expect([mode(dataDir), mode(join(dataDir, "admin.key")), mode(join(dataDir, "state.db"))]).toEqual([
    0o700, 0o600, 0o600,
  ]);
  expect(mode(join(dataDir, "leader.sock"))).toBe(0o600);

  const { agent, engines } = processesOf(dataDir);
  expect(engines.length).toBe(1);
  expect(await flock.signal("SIGTERM")).toBe(0);
  expect(flock.stderr()).toBe("");
  for (const pid of [flock.pid, agent ?? 0, ...engines]) expect(isAlive(pid)).toBe(false);
  expect(readdirSync(dataDir).filter((name) => /\.sock$|^leader\.json$|^agent\.json$/.test(name))).toEqual([]);
});

test("a second start does not show the key again, its curl line reads it from the file, and SIGINT lets a stream end", async () => {
  const flock = await startFlock({ dataDir });
  const block = await readyBlock(flock);
  expect(block).not.toContain(flock.adminKey);
  expect(block).toContain("$(cat ");
  expect(await paste(block)).not.toBe("");

  const stream = await flock.fetch("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({ model: "auto", stream: true, messages: [{ role: "user", content: "hi" }] }),
  });
  const stopped = flock.signal("SIGINT");
  expect(await stream.text()).toContain("data: [DONE]");
  expect(await stopped).toBe(0);
  expect(existsSync(join(dataDir, "leader.sock"))).toBe(false);
});

test("a terminal or a reader of the output that goes away stops Flock in order, with nothing left running", async () => {
  const leader = await startFlock({ dataDir });
  const { agent, engines } = processesOf(dataDir);
  expect(await leader.signal("SIGHUP")).toBe(0);
  for (const pid of [agent ?? 0, ...engines]) expect(isAlive(pid)).toBe(false);

  const piped = Bun.spawn(["bash", "-c", `"$0" "$1" up 2>&1 | head -1; echo gone`, process.execPath, MAIN], {
    env: testEnv(dataDir),
    stdin: "ignore",
    stdout: "pipe",
  });
  await poll(15_000, () => processesOf(dataDir).engines.length === 1);
  const left = processesOf(dataDir);
  expect((await runFlockCli(dataDir, ["down"])).code).toBe(0);
  expect(await new Response(piped.stdout).text()).toContain("gone");
  for (const pid of [left.agent ?? 0, ...left.engines]) expect(isAlive(pid)).toBe(false);
});

/** The agent, and the engines that it starts, work in the data directory. */
function processesIn(directory: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && isAlive(Number(pid)) && readlinkSync(`/proc/${pid}/cwd`).startsWith(directory);
    } catch {
      return false;
    }
  });
}

for (const [moment, file] of [
  ["when the port is bound", "leader.json"],
  ["while the agent is being started", "logs/agent.log"],
] as const) {
  test.skipIf(process.platform !== "linux")(
    `Ctrl-C ${moment} is an orderly end, with nothing left running`,
    async () => {
      const dir = join(dataDir, "..", file.replace("/", "-"));
      const up = Bun.spawn([process.execPath, MAIN, "up"], {
        env: testEnv(dir),
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      await poll(15_000, () => existsSync(join(dir, file)));
      up.kill("SIGINT");
      expect(await up.exited).toBe(0);
      expect(await new Response(up.stderr).text()).toBe("");
      expect(await new Response(up.stdout).text()).toEndWith("✔ Flock has stopped\n");
      expect(processesIn(dir)).toEqual([]);
      expect(existsSync(join(dir, "leader.json"))).toBe(false);
    },
  );
}
