import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import {
  type Flock,
  poll,
  processesOf,
  runFlockCli,
  startFlock,
  temporaryDirectory,
  testEnv,
} from "../support/start-flock.ts";
import { describePostgres, startPostgres, type TestPostgres } from "../support/start-postgres.ts";

const PASSWORD = "hunter2-of-the-database";
const WAIT_MS = 20_000;

/** One answer; gives its request id. */
async function chat(flock: Flock): Promise<string> {
  const body = { model: "auto", stream: true, max_tokens: 2, messages: [{ role: "user", content: "hi" }] };
  const answer = await flock.fetch("/v1/chat/completions", { method: "POST", body: JSON.stringify(body) });
  const text = await answer.text();
  if (!text.endsWith("data: [DONE]\n\n")) throw new Error(`${answer.status}: ${text}`);
  return answer.headers.get("x-request-id") ?? "";
}

function chats(flock: Flock, count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, () => chat(flock)));
}

async function problems(flock: Flock): Promise<string> {
  return await (await fetch(`${flock.url}/readyz`)).text();
}

describePostgres("with its data in PostgreSQL", () => {
  const dataDir = temporaryDirectory();
  const finished: string[] = [];
  let postgres: TestPostgres;
  let engine: ScriptedEngine;
  let env: Record<string, string>;
  let flock: Flock | null = null;

  beforeAll(async () => {
    postgres = await startPostgres();
    await postgres.admin`create database flock`;
    const dsn = postgres.dsn("flock").replace("flock@", `flock:${PASSWORD}@`);
    engine = await startScriptedEngine();
    const ofEngine = { FLOCK_ENGINE: "llamacpp", FLOCK_LLAMACPP_ENDPOINT: engine.url };
    env = { FLOCK_STORAGE_TYPE: "postgres", FLOCK_STORAGE_DSN: dsn, ...ofEngine };
  }, WAIT_MS);
  afterAll(async () => {
    await runFlockCli(dataDir, ["down"], env);
    await engine.stop();
    await postgres.remove();
    rmSync(dataDir, { recursive: true, force: true });
  }, WAIT_MS);

  async function start(): Promise<Flock> {
    flock = await startFlock({ dataDir, env });
    return flock;
  }

  /** The rows and both rollups have each finished request exactly once. */
  async function expectAllAccounted(): Promise<void> {
    const sql = new Bun.SQL(postgres.dsn("flock"), { max: 1 });
    try {
      const rows = await poll(WAIT_MS, async () => {
        const found: { request_id: string }[] = await sql`select request_id from usage`;
        return found.length >= finished.length ? found : null;
      });
      expect(rows.map((row) => row.request_id).sort()).toEqual(finished.toSorted());
      const [sums]: { hourly: number; daily: number }[] = await sql`select
        (select cast(sum(requests) as integer) from usage_hourly) as hourly,
        (select cast(sum(requests) as integer) from usage_daily) as daily`;
      expect(sums).toEqual({ hourly: finished.length, daily: finished.length });
    } finally {
      await sql.close();
    }
  }

  test("chats, keys and usage work, and no SQLite file is made", async () => {
    const running = await start();
    finished.push(...(await chats(running, 5)));
    await expectAllAccounted();
    const created = await running.cli("token", "create", "alice", "--json");
    expect([created.code, created.stderr]).toEqual([0, ""]);
    const status = await running.cli("status", "--json");
    expect(JSON.parse(status.stdout)).toMatchObject({ store: { type: "postgres", ok: true } });
    expect(existsSync(join(dataDir, "state.db"))).toBe(false);
  }, 60_000);

  test("while the database is away answers go on, and the admin API says what to do", async () => {
    const running = flock ?? (await start());
    await postgres.stop("immediate");
    finished.push(...(await chats(running, 10)));
    for (const path of ["tokens", "usage/recent", "audit/recent", "jobs"]) {
      const refused = await running.fetch(`/admin/v1/${path}`);
      expect([path, refused.status]).toEqual([path, 503]);
      const { error } = (await refused.json()) as { error: { code: string; message: string; mend: string } };
      expect(error).toMatchObject({ code: "store_unavailable", mend: expect.stringContaining("pg_isready -h /") });
      expect(error.message).toStartWith("PostgreSQL does not answer at /");
    }
    await poll(WAIT_MS, async () =>
      (await problems(running)).includes("usage waits in the journal: the database is away"),
    );
    const cli = await running.cli("token", "ls");
    expect(cli.code).not.toBe(0);
    expect(cli.stderr).toContain("pg_isready");
  }, 60_000);

  test("once it is back all usage is there exactly once, and the admin API works again", async () => {
    const running = flock ?? (await start());
    await postgres.start();
    await expectAllAccounted();
    await poll(WAIT_MS, async () => !(await problems(running)).includes("database"));
    expect((await running.fetch("/admin/v1/tokens")).status).toBe(200);
    finished.push(await chat(running));
    await expectAllAccounted();
  }, 60_000);

  test("killed while the database is away, it refuses to start without it, and with it nothing is lost", async () => {
    const running = flock ?? (await start());
    await postgres.stop();
    finished.push(...(await chats(running, 10)));
    await running.kill();
    expect(readdirSync(join(dataDir, "journal")).length).toBeGreaterThan(0);

    const refused = await running.cli("up", "--no-wizard");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("PostgreSQL does not answer at /");
    expect(refused.stderr).toContain("pg_isready -h /");
    expect(refused.stdout + refused.stderr).not.toContain(PASSWORD);

    await postgres.start();
    const again = await start();
    await expectAllAccounted();
    finished.push(...(await chats(again, 2)));
    await expectAllAccounted();
  }, 60_000);

  test("the password is nowhere to be seen", async () => {
    const running = flock ?? (await start());
    const shown = await running.cli("config", "show");
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain("[redacted]");
    const api = await (await running.fetch("/admin/v1/config")).text();
    const { agent, engines } = processesOf(dataDir);
    const commands = [running.pid, agent, ...engines].map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8"));
    const files = readdirSync(dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
    const seen = [running.stdout(), running.stderr(), shown.stdout, api, ...commands, ...files].join("\n");
    expect(seen).not.toContain(PASSWORD);
    const flagged = Bun.spawn(
      [
        process.execPath,
        join(import.meta.dir, "../../src/main.ts"),
        "config",
        "check",
        `--storage-dsn=${env["FLOCK_STORAGE_DSN"]}`,
      ],
      {
        env: testEnv(dataDir, { FLOCK_STORAGE_TYPE: "postgres" }),
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const said = (await new Response(flagged.stdout).text()) + (await new Response(flagged.stderr).text());
    expect(await flagged.exited).not.toBe(0);
    expect(said).toContain("FLOCK_STORAGE_DSN");
    expect(said).not.toContain(PASSWORD);
  }, 60_000);
});
