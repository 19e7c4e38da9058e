import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { MIGRATIONS } from "./migrations/all.ts";
import type { Migration } from "./migrations/migration.ts";
import { openStore } from "./open-store.ts";
import { putSetting } from "./settings.ts";
import type { Store, StoreProblem } from "./store.ts";
import { toStoreProblem } from "./store-problem.ts";
import { collectingLog, FakeClock, openTestStore, temporaryDir, until } from "./test-store.ts";

const clock = new FakeClock();

function open(dataDir: string, migrations?: readonly Migration[]) {
  const options = { dsn: "", dataDir, clock, log: collectingLog() };
  return openStore(migrations === undefined ? options : { ...options, migrations });
}

async function opened(dataDir: string, migrations?: readonly Migration[]): Promise<Store> {
  const result = await open(dataDir, migrations);
  if (!result.ok) throw new Error(`${result.error.kind}: ${result.error.message}`);
  return result.value;
}

async function problem(dataDir: string, migrations?: readonly Migration[]): Promise<StoreProblem> {
  const result = await open(dataDir, migrations);
  if (result.ok) {
    await result.value.close();
    throw new Error("the store opened");
  }
  return result.error;
}

/** Runs a mend command as a person would, without its last step that starts Flock. */
async function mend(command: string): Promise<void> {
  const shell = Bun.spawn(["sh", "-ec", command.replace(/ && flock up$/, "")], { stderr: "pipe" });
  expect(await new Response(shell.stderr).text()).toBe("");
  expect(await shell.exited).toBe(0);
}

const NEXT = MIGRATIONS.length + 1;
const later: Migration = {
  version: NEXT,
  name: "later",
  async up(tx) {
    await tx`create table later (id text primary key)`;
  },
};
test("a new store has every table, readable by its owner only", async () => {
  await using t = await openTestStore();
  const rows: { name: string }[] = await t.store.sql`select name from sqlite_master where type = 'table' order by name`;
  expect(rows.map((row) => row.name)).toEqual(
    "aliases audit change_counts job_events jobs join_tokens journal_position keys limit_holders limit_meters limit_slices limit_uses nodes placements schema_version settings shards teams usage_daily usage_groups usage_hourly usage_requests users".split(
      " ",
    ),
  );
  for (const name of readdirSync(t.dir))
    expect([name, statSync(join(t.dir, name)).mode & 0o777]).toEqual([name, 0o600]);
  const [pragmas]: { journal_mode: string }[] = await t.store.sql`pragma journal_mode`;
  expect(pragmas?.journal_mode).toBe("wal");
});

test("opening again changes nothing and keeps the data", async () => {
  using dir = temporaryDir();
  const first = await opened(dir.path);
  await first.write((tx) => putSetting(tx, "a", { b: 1 }, 1));
  await first.close();
  chmodSync(join(dir.path, "state.db"), 0o644);
  const again = await opened(dir.path);
  expect(await again.sql`select name, value from settings`.values()).toEqual([["a", '{"b":1}']] as never);
  expect((await again.sql`select version from schema_version`.values()).length).toBe(MIGRATIONS.length);
  await again.close();
  expect(readdirSync(dir.path)).toEqual(["state.db"]);
  expect(statSync(join(dir.path, "state.db")).mode & 0o777).toBe(0o600);
});

test("a copy is kept before a migration of an existing store, the newest three only", async () => {
  using dir = temporaryDir();
  for (let more = 0; more < 6; more += 1) {
    const migrations = [
      ...MIGRATIONS,
      ...Array.from({ length: more }, (_, index): Migration => {
        const number = NEXT + index;
        return {
          version: number,
          name: "n",
          up: async (tx) => void (await tx.unsafe(`create table t${number} (id text)`)),
        };
      }),
    ];
    const store = await opened(dir.path, migrations);
    await store.close();
  }
  const copies = [2, 3, 4].map((more) => `state.db.before-${NEXT + more}`);
  expect(readdirSync(dir.path).sort()).toEqual(["state.db", ...copies].sort());
  expect(statSync(join(dir.path, `state.db.before-${NEXT + 4}`)).mode & 0o777).toBe(0o600);
});

test("a store of a newer Flock is refused, and the copy kept before can be taken back", async () => {
  using dir = temporaryDir();
  const first = await opened(dir.path);
  await first.write((tx) => putSetting(tx, "kept", true, 1));
  await first.close();
  await (await opened(dir.path, [...MIGRATIONS, later])).close();
  const before = readFileSync(join(dir.path, "state.db"));

  const refused = await problem(dir.path);
  expect(refused).toMatchObject({ kind: "newer_schema" });
  expect(refused.message).toContain(`schema ${NEXT}, this one knows ${MIGRATIONS.length}`);
  expect(readFileSync(join(dir.path, "state.db")).equals(before)).toBe(true);

  await mend(refused.mend.slice(refused.mend.indexOf("mv ")));
  const store = await opened(dir.path);
  expect((await store.sql`select name from settings`.values()).length).toBe(1);
  await store.close();
});

describe("a damaged store is refused, kept as it is, and the mend command leads to one that opens:", () => {
  const damage: Record<string, (file: string) => void> = {
    "garbage bytes": (file) => writeFileSync(file, crypto.getRandomValues(new Uint8Array(20_000))),
    "cut in the middle": (file) => truncateSync(file, Math.floor(statSync(file).size / 2)),
    "cut to less than a header": (file) => truncateSync(file, 50),
    "a schema page overwritten": (file) => {
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.fill(0x5a, 100, 4096));
    },
  };
  for (const [name, harm] of Object.entries(damage)) {
    test(name, async () => {
      using dir = temporaryDir();
      const file = join(dir.path, "state.db");
      await (await opened(dir.path)).close();
      harm(file);
      const before = readFileSync(file);
      const refused = await problem(dir.path);
      expect(refused.kind).toBe("damaged");
      expect(refused.message).not.toContain("\n");
      expect(readFileSync(file).equals(before)).toBe(true);
      await mend(refused.mend);
      expect(readFileSync(join(dir.path, "damaged-state.db", "state.db")).equals(before)).toBe(true);
      await (await opened(dir.path)).close();
    });
  }
});

test("a database of another program is refused", async () => {
  using dir = temporaryDir();
  const other = new Bun.SQL({ adapter: "sqlite", filename: join(dir.path, "state.db") });
  await other`create table theirs (id integer)`;
  await other.close();
  expect((await problem(dir.path)).message).toContain("not a database of Flock");
});

test("a data directory that is below a file is unwritable, with a command that mends it", async () => {
  using dir = temporaryDir();
  writeFileSync(join(dir.path, "file"), "");
  const refused = await problem(join(dir.path, "file", "data"));
  expect(refused.kind).toBe("unwritable");
  expect(refused.mend).toContain("--data-dir");
});

test("a directory where the file belongs is unwritable", async () => {
  using dir = temporaryDir();
  mkdirSync(join(dir.path, "state.db"));
  expect((await problem(dir.path)).kind).toBe("unwritable");
});

test("a DSN of another database is refused by name", async () => {
  const result = await openStore({ dsn: "mysql://x/y", dataDir: "/nowhere", clock, log: collectingLog() });
  expect(result).toMatchObject({ ok: false, error: { kind: "unsupported_dsn" } });
  expect(JSON.stringify(result)).toContain("mysql");
});

test("a store that another connection keeps locked is said to be locked; the loop goes on meanwhile", async () => {
  await using t = await openTestStore();
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      `const { Database } = require("bun:sqlite"); const db = new Database(process.argv[1]);
       db.exec("begin immediate"); console.log("locked"); await Bun.stdin.text(); db.exec("commit");`,
      join(t.dir, "state.db"),
    ],
    { stdin: "pipe", stdout: "pipe" },
  );
  await child.stdout.getReader().read();
  let ticks = 0;
  const ticker = setInterval(() => (ticks += 1), 5);
  const write = t.store.write((tx) => putSetting(tx, "after", 1, 1));
  await until(() => ticks > 4, 4000);
  clearInterval(ticker);
  await child.stdin.end();
  await write;
  expect(await child.exited).toBe(0);
  expect((await t.store.sql`select name from settings`.values()).length).toBe(1);
  expect(toStoreProblem({ code: "SQLITE_BUSY" }, t.store.address)).toMatchObject({ kind: "locked" });
});

const mountable = process.platform === "linux" && process.getuid?.() === 0 && tryMount();

function tryMount(): boolean {
  using dir = temporaryDir();
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir.path], { stderr: "ignore" });
  if (mounted.exitCode !== 0) return false;
  Bun.spawnSync(["umount", dir.path]);
  return true;
}

describe.skipIf(!mountable)("full disk (needs root and mount: sudo npm test)", () => {
  const dir = temporaryDir();
  beforeAll(() => {
    Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir.path]);
  });
  afterAll(() => {
    Bun.spawnSync(["umount", dir.path]);
    dir[Symbol.dispose]();
  });

  test("is said in one line with a command, and nothing of an existing store is lost", async () => {
    const refused = await problem(dir.path);
    expect(refused.kind).toBe("disk_full");
    expect(refused.mend).toStartWith("df -h");
    expect(existsSync(join(dir.path, "state.db"))).toBe(true);
    Bun.spawnSync(["mount", "-o", "remount,size=8m", dir.path]);
    const store = await opened(dir.path);
    await store.write((tx) => putSetting(tx, "kept", 1, 1));
    await store.close();
    const filler = 8 * 1024 * 1024 - statSync(join(dir.path, "state.db")).size - 200 * 1024;
    writeFileSync(join(dir.path, "filler"), new Uint8Array(filler));

    expect((await problem(dir.path, [...MIGRATIONS, later])).kind).toBe("disk_full");
    expect(readdirSync(dir.path).sort()).toEqual(["filler", "state.db"]);
    Bun.spawnSync(["mount", "-o", "remount,size=16m", dir.path]);
    const again = await opened(dir.path, [...MIGRATIONS, later]);
    expect(await again.sql`select name from settings`.values()).toEqual([["kept"]] as never);
    await again.close();
  });
});
