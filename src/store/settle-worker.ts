import { connect } from "./connect.ts";
import { rebuildDay } from "./rebuild-rollups.ts";
import { settleAll } from "./settle-journal.ts";
import type { Db, Log } from "./store.ts";
import type { FromSettleWorker, SettleTask, ToSettleWorker } from "./settle-message.ts";
import { toStoreProblem } from "./store-problem.ts";

// A thread of its own with its own connection: SQLite sleeps on locks and syncs on commits, the gateway must not.

declare const self: Worker;

/** Whoever wants what was answered a moment ago asks for it (`poke`): nobody waits for a round. */
const SETTLE_MS = 1000;
const MAX_WAIT_MS = 5000;
/** After so many records this thread's garbage is collected: left to itself the collector waits for three times as much. */
const COLLECT_AFTER = 8000;
/** The worker's own rounds. */
const NOBODY = 0;

let task: SettleTask | null = null;
let db: Db | null = null;
/** One thing at a time, in the order of the messages. */
let tail: Promise<void> = Promise.resolve();
let waitMs = SETTLE_MS;
let failing = false;
let sinceCollected = 0;
let beat: ReturnType<typeof setTimeout> | null = null;

function post(message: FromSettleWorker): void {
  self.postMessage(message);
}

const log: Log = {
  info: (message, fields) => post({ log: { level: "info", message, fields: fields ?? {} } }),
  warn: (message, fields) => post({ log: { level: "warn", message, fields: fields ?? {} } }),
  error: (message, fields) => post({ log: { level: "error", message, fields: fields ?? {} } }),
};

async function settle(): Promise<number> {
  if (task === null) return 0;
  db ??= await connect(task.address, { thread: "worker" });
  return settleAll(db, task.dir, log);
}

async function attempt(ticket: number, work: () => Promise<number>): Promise<void> {
  try {
    const settled = await work();
    collect(settled);
    // The gateway's thread is not woken to hear that all goes on as it did.
    if (ticket !== NOBODY || failing) post({ settled, ticket });
    failing = false;
    waitMs = SETTLE_MS;
  } catch (cause) {
    // A connection may be broken for good (file replaced, disk remounted): the next attempt opens a new one.
    await db?.close().catch(() => {});
    db = null;
    failing = true;
    waitMs = Math.min(waitMs * 2, MAX_WAIT_MS);
    if (task !== null) post({ failed: toStoreProblem(cause, task.address), ticket });
  }
}

/** Nobody waits for this thread, and its few live objects are gone through in a millisecond or two. */
function collect(settled: number): void {
  sinceCollected += settled;
  if (sinceCollected < COLLECT_AFTER) return;
  sinceCollected = 0;
  Bun.gc(true);
}

function schedule(): void {
  beat = setTimeout(() => {
    tail = tail.then(() => attempt(NOBODY, settle)).then(schedule);
  }, waitMs);
}

async function stop(): Promise<void> {
  await attempt(NOBODY, settle);
  await db?.close().catch(() => {});
  post({ stopped: !failing });
}

self.addEventListener("message", (event: MessageEvent<ToSettleWorker>) => {
  const message = event.data;
  if ("start" in message) {
    task = message.start;
    schedule();
  } else if ("poke" in message) {
    tail = tail.then(() => attempt(message.ticket, settle));
  } else if ("rebuildDay" in message) {
    const day = message.rebuildDay;
    tail = tail.then(() =>
      attempt(message.ticket, async () => {
        const settled = await settle();
        if (db !== null) await rebuildDay(db, day);
        return settled;
      }),
    );
  } else {
    tail = tail.then(() => {
      if (beat !== null) clearTimeout(beat);
      return stop();
    });
  }
});
