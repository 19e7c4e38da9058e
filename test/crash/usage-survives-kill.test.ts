import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Flock, startFlock, temporaryDirectory } from "../support/start-flock.ts";

const ROUNDS = 200;
const STREAMS = 32;
const MAX_WAIT_MS = 5;
/** Of all rounds; it ends a test that hangs, and promises nothing: a slow machine takes what it takes. */
const LIMIT_MS = 900_000;

const dataDir = temporaryDirectory();
let flock: Flock | null = null;
afterAll(async () => {
  await flock?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Reads one stream to its end; gives its request id when its last byte came, null when the kill was quicker. */
async function stream({ url, adminKey }: Flock): Promise<string | null> {
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${adminKey}` },
      body: JSON.stringify({ model: "auto", stream: true, max_tokens: 2, messages: [{ role: "user", content: "hi" }] }),
    });
    const text = await answer.text();
    return text.endsWith("data: [DONE]\n\n") ? answer.headers.get("x-request-id") : null;
  } catch {
    return null;
  }
}

/**
 * What the database has once a new process listens, past the admin API: that one has the journal settled when it is asked,
 * while the sums of quotas need all rows before the first answer.
 */
function recordedIds(): string[] {
  using database = new Database(join(dataDir, "state.db"), { readonly: true });
  const rows = database.query("select request_id from usage where outcome = 'ok'").all() as { request_id: string }[];
  return rows.map(({ request_id }) => request_id);
}

/**
 * 32 streams, then SIGKILL 0 to 5 ms after the last byte of the last one; in every second round after the last byte of
 * some earlier one, so that others are cut in the middle.
 */
async function round(running: Flock, number: number): Promise<string[]> {
  const finished: string[] = [];
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const enough = number % 2 === 0 ? STREAMS : 1 + (number % STREAMS);
  const all = Array.from({ length: STREAMS }, async () => {
    const id = await stream(running);
    if (id !== null && finished.push(id) === enough) setTimeout(resolve, Math.random() * MAX_WAIT_MS);
  });
  await Promise.race([over, Promise.all(all).then(() => Bun.sleep(MAX_WAIT_MS))]);
  await running.kill();
  await Promise.all(all);
  return finished;
}

test(
  `every finished answer has its usage row after ${ROUNDS} rounds of kill -9`,
  async () => {
    let answers = 0;
    // The first has to have its engine; those after it find it running, and requests wait until it has been taken over.
    flock = await startFlock({ dataDir });
    for (let number = 0; number < ROUNDS; number += 1) {
      const finished = await round(flock, number);
      flock = await startFlock({ dataDir, waitFor: "listening" });
      const recorded = new Set(recordedIds());
      expect(finished.length).toBeGreaterThan(0);
      expect([number, finished.filter((id) => !recorded.has(id))]).toEqual([number, []]);
      answers += finished.length;
    }
    expect(answers).toBeGreaterThan((ROUNDS * STREAMS) / 2);
    const recorded = recordedIds();
    expect(new Set(recorded).size).toBe(recorded.length);
  },
  LIMIT_MS,
);
