import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SQL } from "bun";
import { MIGRATIONS } from "../../src/store/migrations/all.ts";
import { connectPostgres } from "../../src/store/connect-postgres.ts";
import { storeAddress } from "../../src/store/address.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { PostgresAddress, StoreProblem } from "../../src/store/store.ts";
import { toStoreProblem } from "../../src/store/store-problem.ts";
import { collectingLog, FakeClock, rejection, temporaryDir } from "../../src/store/test-store.ts";
import { describePostgres, startPostgres, type TestPostgres } from "../support/start-postgres.ts";

const PASSWORD = "hunter2";
const START_MS = 30_000;

function open(dsn: string) {
  return openStore({ dsn, dataDir: "/nowhere", clock: new FakeClock(), log: collectingLog() });
}

async function problem(dsn: string): Promise<StoreProblem> {
  const opened = await open(dsn);
  if (opened.ok) {
    await opened.value.close();
    throw new Error("the store opened");
  }
  expect(JSON.stringify(opened.error)).not.toContain(PASSWORD);
  expect(opened.error.message).not.toContain("\n");
  return opened.error;
}

function addressOf(dsn: string): PostgresAddress {
  const address = storeAddress(dsn, "/nowhere");
  if (!address.ok || address.value.kind !== "postgres") throw new Error(dsn);
  return address.value;
}

describePostgres("a PostgreSQL database", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  }, START_MS);
  afterAll(() => postgres.remove());

  async function database(name: string, how = ""): Promise<string> {
    await postgres.admin.unsafe(`create database ${name} ${how}`);
    return postgres.dsn(name);
  }

  test("that is empty gets every table, however many leaders start on it at once", async () => {
    const dsn = await database("several");
    const all = await Promise.all(Array.from({ length: 4 }, () => open(dsn)));
    for (const opened of all) {
      if (!opened.ok) throw new Error(opened.error.message);
      // Each migration ran once.
      const versions = await opened.value.sql`select version from schema_version order by version`.values();
      expect(versions).toEqual(MIGRATIONS.map(({ version }) => [version]) as never);
      await opened.value.close();
    }
  });

  test("that is not there is named, with the command that makes it", async () => {
    const refused = await problem(postgres.dsn("missing").replace("flock@", `flock:${PASSWORD}@`));
    expect(refused).toMatchObject({ kind: "no_database" });
    expect(refused.message).toBe(`there is no PostgreSQL database missing at ${postgres.dir} (port 5432)`);
    const bin = refused.mend.replace(/ && flock up$/, "").split(" ");
    const made = Bun.spawnSync(bin, { stderr: "pipe" });
    expect([made.exitCode, made.stderr.toString()]).toEqual([0, ""]);
    const opened = await open(postgres.dsn("missing"));
    expect(opened.ok).toBe(true);
    if (opened.ok) await opened.value.close();
  });

  test("that another program uses is refused and left as it is", async () => {
    const dsn = await database("theirs");
    const sql = new SQL(dsn, { max: 1 });
    await sql`create table theirs (id integer)`;
    expect((await problem(dsn)).message).toContain("not a database of Flock");
    expect(await sql`select tablename from pg_tables where schemaname = 'public'`.values()).toHaveLength(1);
    await sql.close();
  });

  test("of another encoding is refused", async () => {
    const dsn = await database("latin", "encoding 'LATIN1' locale_provider libc locale 'C' template template0");
    const refused = await problem(dsn);
    expect(refused.message).toContain("has the encoding LATIN1; Flock needs UTF8");
    expect(refused.mend).toStartWith("createdb -h /");
  });

  test("that the user may not use, or is not known to, is access_denied with what to do", async () => {
    const dsn = await database("guarded");
    await postgres.admin.unsafe("create role guest login");
    const guest = await problem(dsn.replace("flock@", "guest@"));
    expect(guest).toMatchObject({ kind: "access_denied", mend: expect.stringContaining("alter database") });
    const stranger = await problem(dsn.replace("flock@", "stranger@"));
    expect(stranger).toMatchObject({
      kind: "access_denied",
      mend: expect.stringContaining("createuser --pwprompt stranger"),
    });
  });

  test("whose password is another one says so, and which user", async () => {
    const dsn = await database("locked");
    await postgres.admin.unsafe("create role alice login password 'right'");
    const hba = join(postgres.dir, "data/pg_hba.conf");
    writeFileSync(hba, "local all alice scram-sha-256\nlocal all all trust\n");
    await postgres.admin`select pg_reload_conf()`;
    const refused = await problem(dsn.replace("flock@", `alice:${PASSWORD}@`));
    expect(refused).toMatchObject({ kind: "access_denied" });
    expect(refused.message).toContain("refuses the password of user alice");
    expect((await problem(dsn.replace("flock@", "alice@"))).kind).toBe("access_denied");
  });

  test("that is read-only, full or out of connections is said to be so", () => {
    const address = addressOf("postgres://db/flock");
    const kinds = ["25006", "53100", "53300", "57P03", "55P03", "08006"].map((errno) => {
      const { kind, mend } = toStoreProblem({ code: "ERR_POSTGRES_SERVER_ERROR", errno }, address);
      expect(mend).not.toBe("");
      return kind;
    });
    expect(kinds).toEqual(["unwritable", "disk_full", "unreachable", "unreachable", "locked", "unreachable"]);
  });

  test("a lock that another process keeps is waited for, then said", async () => {
    const address = addressOf(await database("kept"));
    const db = await connectPostgres(address, { thread: "loop", lockWaitMs: 100 });
    const other = await connectPostgres(address, { thread: "loop" });
    const release = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const holding = other.write(async (tx) => {
      await tx`select 1`;
      held.resolve();
      await release.promise;
    });
    await held.promise;
    const refused = await db.write((tx) => tx`select 1`).catch((cause: unknown) => toStoreProblem(cause, address));
    expect(refused).toMatchObject({ kind: "locked" });
    release.resolve();
    await holding;
    await db.write((tx) => tx`select 1`);
    await db.close();
    await other.close();
  });

  test("that falls silent in the middle of a statement does not hold it for ever, and the next one works", async () => {
    const address = addressOf(await database("silent"));
    const db = await connectPostgres(address, { thread: "worker", statementMs: 200 });
    const [backend]: { pid: number }[] = await db.sql`select pg_backend_pid() as pid`;
    const pid = backend?.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    try {
      const started = performance.now();
      expect(await rejection(db.sql`select 1`.values())).toContain("onnection");
      expect(performance.now() - started).toBeLessThan(8000);
      const written = db.write(async (tx) => {
        await tx`select 2`;
        return "written";
      });
      expect(await written).toBe("written");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await db.close();
  }, 15_000);
});

test("a server that is not there is unreachable, with the command that asks it", async () => {
  const refused = await problem(`postgres://flock:${PASSWORD}@127.0.0.1:1/flock`);
  expect(refused).toEqual({
    kind: "unreachable",
    message: "PostgreSQL does not answer at 127.0.0.1:1",
    mend: "pg_isready -h 127.0.0.1 -p 1   # start it (sudo systemctl start postgresql), then: flock up",
  });
});

test("a certificate file that is missing is named", async () => {
  using dir = temporaryDir();
  const ca = join(dir.path, "ca.pem");
  const refused = await problem(`postgres://127.0.0.1:1/flock?sslmode=verify-full&sslrootcert=${ca}`);
  expect(refused.message).toContain(ca);
});
