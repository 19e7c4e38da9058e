import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadPlan } from "./load-plan.ts";
import { startMockEngine } from "./mock-engine.ts";
import { runLoad } from "./run-load.ts";
import { FORMS, type FormName, framesOf, streamBody } from "./stream-forms.ts";
import type { Subject } from "./subject.ts";
import { flock } from "./subjects/flock.ts";
import { translatedTable, type TranslatedRound } from "./translated.ts";

const MODEL = "mock-8x2";
const NAMES: readonly FormName[] = ["chat", "messages", "responses", "ollama"];
const engine = startMockEngine({ models: [MODEL] });
const dir = mkdtempSync(join(tmpdir(), "flock-bench-forms-"));
let subject: Subject;

beforeAll(async () => {
  const root = join(import.meta.dir, "..");
  const place = { enginePort: engine.port, models: [MODEL], dir, pin: (command: readonly string[]) => [...command] };
  subject = await flock({ name: "flock", root, quota: true }).start(place);
});

afterAll(async () => {
  await subject.stop();
  engine.stop();
  rmSync(dir, { recursive: true, force: true });
});

function plan(form: FormName, more: Partial<LoadPlan> = {}): LoadPlan {
  return {
    port: subject.port,
    path: FORMS[form].path,
    headers: subject.headers,
    body: streamBody(form, MODEL, [
      { role: "system", content: "Be brief." },
      { role: "user", content: "How many?" },
    ]),
    loop: { kind: "closed", connections: 2, spreadMs: 0 },
    maxRequests: 6,
    maxMs: 5000,
    graceMs: 5000,
    expect: { kind: "stream", form, frames: framesOf(form, { pieces: 8, everyMs: 2, delayMs: 0 }) },
    abortEvery: 0,
    ...more,
  };
}

test.each(NAMES)("a stream in the form of %s is whole, with its first token before its end", async (form) => {
  const result = await runLoad(plan(form));
  expect(result).toMatchObject({ whole: 6, lost: 0, problems: {} });
  expect(result.firstTokenMs?.p50).toBeLessThan(result.latencyMs.p50);
});

test.each(NAMES)("a stream in the form of %s without its last frame, or with one too few, is lost", async (form) => {
  const other = NAMES[(NAMES.indexOf(form) + 1) % NAMES.length] ?? "chat";
  const wrong = await runLoad(plan(form, { expect: { kind: "stream", form: other, frames: 1 }, maxRequests: 2 }));
  expect(wrong).toMatchObject({ whole: 0, lost: 2, problems: { [`no ${FORMS[other].ending}`]: 2 } });
  const short = await runLoad(plan(form, { expect: { kind: "stream", form, frames: 99 }, maxRequests: 2 }));
  expect(short).toMatchObject({ whole: 0, lost: 2 });
});

test("a ratio is taken within its round, and losses are added up", () => {
  const one = (cpuMicrosPerChunk: number, lost = 0) => ({
    cpuMicrosPerChunk,
    addedFirstTokenP50Ms: 1,
    addedFirstTokenP99Ms: 2,
    lost,
  });
  const round = (chat: number, other: number): TranslatedRound => ({
    chat: one(chat),
    messages: one(other, 1),
    responses: one(other),
    ollama: one(other),
  });
  const lines = translatedTable([round(10, 20), round(20, 30), round(30, 60)]).split("\n");
  expect(lines[3]).toBe("| /v1/messages | 30.0 | 2.00 | 1.00 | 2.00 | 3 |");
});
