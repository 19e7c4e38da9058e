import { beforeAll, describe } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { describePostgres, sharedPostgres } from "../../test/support/start-postgres.ts";
import type { Clock } from "../core/clock.ts";
import { groupOf, rowOf, type UsageRecord } from "../core/usage-record.ts";
import { openStore } from "./open-store.ts";
import type { Log, Store } from "./store.ts";
import { groupNumbers } from "./usage-groups.ts";
import { insertUsage, type SettledUsage } from "./usage-rows.ts";

/** For tests: a clock that stands still until it is moved. */
export class FakeClock implements Clock {
  ms: number;
  constructor(ms = Date.UTC(2026, 0, 15, 12)) {
    this.ms = ms;
  }
  now(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function collectingLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLine["level"]) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      lines.push({ level, message, fields });
    };
  return { lines, info: at("info"), warn: at("warn"), error: at("error") };
}

/** A directory of its own, removed at the end of the scope. */
export function temporaryDir(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "flock-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface TestStore extends AsyncDisposable {
  readonly dir: string;
  /** Opens the same store again, with `dataDir: dir`. */
  readonly dsn: string;
  readonly clock: FakeClock;
  readonly log: ReturnType<typeof collectingLog>;
  readonly store: Store;
}

export type OpenTestStore = (clock?: FakeClock) => Promise<TestStore>;

/** A real SQLite store in a directory of its own, both gone at the end of the scope. */
export function openTestStore(clock = new FakeClock()): Promise<TestStore> {
  return open("", clock, async () => undefined);
}

/** A store in a schema of its own on the server of this test run. */
async function openPostgresStore(clock = new FakeClock()): Promise<TestStore> {
  const { dsn } = await sharedPostgres();
  const schema = `t${randomBytes(8).toString("hex")}`;
  const admin = new SQL(dsn("postgres"), { max: 1 });
  await admin.unsafe(`create schema ${schema}`);
  return open(dsn("postgres", schema), clock, async () => {
    await admin.unsafe(`set client_min_messages = error; drop schema ${schema} cascade`);
    await admin.close();
  });
}

async function open(dsn: string, clock: FakeClock, remove: () => Promise<void>): Promise<TestStore> {
  const dir = temporaryDir();
  const log = collectingLog();
  const opened = await openStore({ dsn, dataDir: dir.path, clock, log });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  return {
    dir: dir.path,
    dsn,
    clock,
    log,
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      await remove();
      dir[Symbol.dispose]();
    },
  };
}

/** Declares the tests in `body` once for each database, each test on a fresh store. */
export function onEachDatabase(body: (openTestStore: OpenTestStore, name: "SQLite" | "PostgreSQL") => void): void {
  describe("on SQLite", () => body(openTestStore, "SQLite"));
  describePostgres("on PostgreSQL", () => {
    beforeAll(async () => void (await sharedPostgres()), 30_000);
    body(openPostgresStore, "PostgreSQL");
  });
}

/** Polls until `condition` holds; throws after `withinMs`. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 5000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error("the condition did not come true in time");
    await Bun.sleep(2);
  }
}

export function settledUsage(record: UsageRecord): SettledUsage {
  return { group: groupOf(record), row: rowOf(record) };
}

/** Into `usage` alone, past the journal and the rollups. */
export async function putUsage({ store }: TestStore, records: readonly UsageRecord[]): Promise<void> {
  const usage = records.map(settledUsage);
  await store.write(async (tx) => {
    const numbers = await groupNumbers(
      store,
      tx,
      usage.map(({ group }) => group),
    );
    await insertUsage(store, tx, usage, (group) => numbers.of(group));
  });
}

/** The message a promise was rejected with; "resolved" when it was not. */
export function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "resolved",
    (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)),
  );
}
