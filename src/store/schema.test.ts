import { expect, test } from "bun:test";
import { MIGRATIONS } from "./migrations/all.ts";
import type { Migration } from "./migrations/migration.ts";
import { openStore } from "./open-store.ts";
import { allSettings, putSetting } from "./settings.ts";
import { onEachDatabase, rejection, type TestStore } from "./test-store.ts";

/** Those of this version, and the next one after them. */
const KNOWN = MIGRATIONS.map(({ version }) => version);
const NEXT = KNOWN.length + 1;

const later: Migration = {
  version: NEXT,
  name: "later",
  async up(tx) {
    await tx`create table later (id text primary key)`;
  },
};
const broken: Migration = {
  version: NEXT,
  name: "broken",
  async up(tx) {
    await tx`create table half (id text primary key)`;
    await tx`insert into nowhere values (1)`;
  },
};

function again(t: TestStore, ...more: readonly Migration[]) {
  const { dsn, dir: dataDir, clock, log } = t;
  return openStore({ dsn, dataDir, clock, log, migrations: [...MIGRATIONS, ...more] });
}

async function versions({ store }: TestStore): Promise<number[]> {
  const rows: { version: number }[] = await store.sql`select version from schema_version order by version`;
  return rows.map(({ version }) => version);
}

onEachDatabase((openTestStore, database) => {
  test("opening again changes nothing and keeps the data", async () => {
    await using t = await openTestStore();
    await t.store.write((tx) => putSetting(tx, "a", { b: 1 }, 1));
    const opened = await again(t);
    if (!opened.ok) throw new Error(opened.error.message);
    expect(await allSettings(opened.value.sql)).toEqual(new Map([["a", { b: 1 }]]));
    await opened.value.close();
    expect(await versions(t)).toEqual(KNOWN);
    expect(t.log.lines).toEqual([]);
  });

  test("a migration that fails leaves the store at the version before", async () => {
    await using t = await openTestStore();
    expect(await again(t, broken)).toMatchObject({ ok: false, error: { message: expect.stringContaining("nowhere") } });
    expect(await versions(t)).toEqual(KNOWN);
    expect(await rejection(t.store.sql`select * from half`.values())).toContain("half");
    const opened = await again(t, later);
    expect(opened.ok).toBe(true);
    if (opened.ok) await opened.value.close();
    expect(await versions(t)).toEqual([...KNOWN, NEXT]);
  });

  test("before a migration a copy is kept, or the command that makes one is said", async () => {
    await using t = await openTestStore();
    const opened = await again(t, later);
    if (!opened.ok) throw new Error(opened.error.message);
    await opened.value.close();
    const [line, ...rest] = t.log.lines;
    expect(rest).toEqual([]);
    if (database === "SQLite") expect(String(line?.fields["copy"])).toEndWith(`state.db.before-${NEXT}`);
    else expect(String(line?.fields["backup"])).toStartWith("pg_dump -h /");
  });

  test("a schema of a newer Flock is refused and left as it is", async () => {
    await using t = await openTestStore();
    const opened = await again(t, later);
    if (!opened.ok) throw new Error(opened.error.message);
    await opened.value.close();
    const refused = await again(t);
    expect(refused).toMatchObject({ ok: false, error: { kind: "newer_schema" } });
    expect(JSON.stringify(refused)).toContain(`schema ${NEXT}, this one knows ${KNOWN.length}`);
    expect(await versions(t)).toEqual([...KNOWN, NEXT]);
  });

  // Two leaders on one SQLite file are kept apart by the lock of the data directory.
  if (database === "PostgreSQL") {
    test("starts at the same moment migrate once", async () => {
      await using t = await openTestStore();
      let runs = 0;
      const counted: Migration = { ...later, up: (tx, kind) => ((runs += 1), later.up(tx, kind)) };
      const all = await Promise.all(Array.from({ length: 4 }, () => again(t, counted)));
      for (const opened of all) {
        if (!opened.ok) throw new Error(opened.error.message);
        await opened.value.close();
      }
      expect(runs).toBe(1);
      expect(await versions(t)).toEqual([...KNOWN, NEXT]);
    });
  }

  test("a write that fails rolls back, and writes started meanwhile are kept", async () => {
    await using t = await openTestStore();
    const failed = t.store.write(async (tx) => {
      await putSetting(tx, "lost", 1, 1);
      throw new Error("no");
    });
    const kept = t.store.write((tx) => putSetting(tx, "kept", 1, 1));
    expect(await rejection(failed)).toBe("no");
    await kept;
    expect(await allSettings(t.store.sql)).toEqual(new Map([["kept", 1]]));
  });

  test("two handles change one value in turn, none of the changes is lost", async () => {
    await using t = await openTestStore();
    const opened = await again(t);
    if (!opened.ok) throw new Error(opened.error.message);
    const other = opened.value;
    const add = (store: typeof other) =>
      store.write(async (tx) => {
        const seen = Number((await allSettings(tx)).get("n") ?? 0);
        await putSetting(tx, "n", seen + 1, 1);
      });
    await Promise.all(Array.from({ length: 40 }, (_, index) => add(index % 2 === 0 ? t.store : other)));
    expect(await allSettings(t.store.sql)).toEqual(new Map([["n", 40]]));
    await other.close();
  });
});
