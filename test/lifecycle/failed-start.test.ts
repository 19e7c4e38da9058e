import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/cluster/process-identity.ts";
import {
  type CliRun,
  MAIN,
  poll,
  processesOf,
  runFlockCli,
  startFlock,
  temporaryDirectory,
  testEnv,
} from "../support/start-flock.ts";

const base = temporaryDirectory();
const dataDir = join(base, "data");
afterAll(async () => {
  await runFlockCli(dataDir, ["down"]);
  rmSync(base, { recursive: true, force: true });
});

/** One line what, one line that mends it, an exit code, no stack trace, and nothing left running. */
function expectRefusal(run: CliRun, what: string | RegExp, mend: string | RegExp, dir = dataDir): void {
  const lines = run.stderr.trimEnd().split("\n");
  expect(lines).toEqual([expect.stringMatching(what), expect.stringMatching(mend)]);
  expect(lines[0]).toStartWith("✗ ");
  expect(lines[1]).toStartWith("  → ");
  expect(run.code).toBe(1);
  const { agent, engines } = processesOf(dir);
  for (const pid of [agent ?? 0, ...engines]) expect(isAlive(pid)).toBe(false);
  expect(existsSync(join(dir, "leader.json"))).toBe(false);
}

/** Runs the command that was printed, with `flock` standing for this checkout's. */
async function paste(run: CliRun, dir: string): Promise<number> {
  const mend = run.stderr.split("\n")[1]?.replace("  → ", "") ?? "exit 9";
  const flock = `flock() { '${process.execPath}' '${MAIN}' "$@"; }`;
  const shell = Bun.spawn(["bash", "-c", `${flock}; ${mend.replace(/flock up$/, "flock up --detach")}`], {
    env: testEnv(dir),
    stdout: "ignore",
    stderr: "inherit",
  });
  return await shell.exited;
}

test("a busy port", async () => {
  using busy = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("not Flock") });
  const run = await runFlockCli(dataDir, ["up"], { FLOCK_LISTEN: `127.0.0.1:${busy.port}` });
  expectRefusal(run, `127.0.0.1:${busy.port} is in use`, "FLOCK_LISTEN=");
});

test("a data directory that is a file, or below one", async () => {
  const file = join(base, "file");
  writeFileSync(file, "mine");
  expectRefusal(await runFlockCli(file, ["up"]), "is not a directory", `ls -ld ${file}`, file);
  expectRefusal(await runFlockCli(join(file, "below"), ["up"]), "is not a directory", "ls -ld", join(file, "below"));
  expectRefusal(await runFlockCli(file, ["up", "--detach"]), "is not a directory", `ls -ld ${file}`, file);
  expect(readFileSync(file, "utf8")).toBe("mine");
});

test("of two starts at the same moment exactly one wins, and the other says which", async () => {
  const racers = [0, 1].map(() =>
    Bun.spawn([process.execPath, MAIN, "up"], {
      env: testEnv(dataDir),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  const first = await Promise.race(racers.map(async (racer) => ({ racer, code: await racer.exited })));
  const winner = racers.find((racer) => racer !== first.racer);
  const said = (await new Response(first.racer.stderr).text()) + (await new Response(first.racer.stdout).text());
  expect(said).toMatch(/already running/);
  // A start that finds a whole leader has nothing to do, one that lost the race has failed.
  expect(first.code).toBe(said.startsWith("✗") ? 1 : 0);
  await poll(15_000, () => processesOf(dataDir).engines.length === 1);
  expect(winner?.exitCode).toBeNull();
  expect((await runFlockCli(dataDir, ["down"])).code).toBe(0);
  expect(await winner?.exited).toBe(0);
});

for (const [name, damage] of [
  ["garbage", (path: string) => writeFileSync(path, "this is no database ".repeat(500))],
  ["cut short", (path: string) => truncateSync(path, 20_000)],
] as const) {
  test(`a database that is ${name} is left as it is, and the printed command starts Flock`, async () => {
    const dir = join(base, `damaged ${name}`);
    await (await startFlock({ dataDir: dir })).stop();
    damage(join(dir, "state.db"));
    const before = readFileSync(join(dir, "state.db"));
    const run = await runFlockCli(dir, ["up"]);
    expectRefusal(run, "is damaged", "mkdir -p", dir);
    expect(readFileSync(join(dir, "state.db"))).toEqual(before);
    expect(await paste(run, dir)).toBe(0);
    expect((await runFlockCli(dir, ["status"])).code).toBe(0);
    expect((await runFlockCli(dir, ["down"])).code).toBe(0);
    expect(readFileSync(join(dir, "damaged-state.db/state.db"))).toEqual(before);
  });
}

test("a database of a newer Flock is refused and not changed", async () => {
  const dir = join(base, "newer");
  await (await startFlock({ dataDir: dir })).stop();
  const database = new Database(join(dir, "state.db"));
  database.run("insert into schema_version values (99, 'of tomorrow', 0)");
  database.run("pragma wal_checkpoint(truncate)");
  database.close();
  copyFileSync(join(dir, "state.db"), join(base, "newer.db"));
  expectRefusal(await runFlockCli(dir, ["up"]), "written by a newer Flock", "flock update", dir);
  expect(readFileSync(join(dir, "state.db"))).toEqual(readFileSync(join(base, "newer.db")));
});

test("an unknown key in the configuration file is named with its line and the nearest key", async () => {
  const dir = join(base, "config");
  mkdirSync(dir);
  writeFileSync(join(dir, "config.yaml"), "listen: 127.0.0.1:0\nlog_levle: debug\n");
  const run = await runFlockCli(dir, ["up"]);
  expectRefusal(run, /config\.yaml:2\b.*log_levle/, "log_level", dir);
});

test("without keys Flock does not listen for other machines", async () => {
  const run = await runFlockCli(dataDir, ["up"], { FLOCK_LISTEN: "0.0.0.0:0", FLOCK_REQUIRE_KEYS: "false" });
  expectRefusal(run, "require_keys is false", "127.0.0.1");
});

test("a lost admin key: Flock starts, says how to get back in, and that works", async () => {
  const dir = join(base, "lost");
  const first = await startFlock({ dataDir: dir });
  const old = first.adminKey;
  await first.signal("SIGTERM");
  rmSync(join(dir, "admin.key"));
  const command = ["token", "create", "--admin", "--offline"];
  const up = await runFlockCli(dir, ["up", "--detach"]);
  expect(up.code).toBe(0);
  expect(up.stdout).toContain(`flock ${command.join(" ")}`);
  expect((await runFlockCli(dir, command)).stderr).toContain("flock down && flock token create --admin --offline");
  expect((await runFlockCli(dir, ["down"])).code).toBe(0);
  const made = await runFlockCli(dir, command);
  expect(made.stdout.trim()).toBe(readFileSync(join(dir, "admin.key"), "utf8").trim());
  const flock = await startFlock({ dataDir: dir });
  expect(flock.adminKey).not.toBe(old);
  expect((await flock.cli("token", "ls")).code).toBe(0);
  await flock.stop();
});
