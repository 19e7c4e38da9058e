import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { ChatEvent } from "../core/chat-event.ts";
import { anthropicMessages } from "./anthropic-messages/dialect.ts";
import type { CompletionDialect } from "./completion-dialect.ts";
import type { ChatDialect } from "./dialect.ts";
import { ollamaChat } from "./ollama-chat/dialect.ts";
import { openaiChat } from "./openai-chat/dialect.ts";
import { openaiResponses } from "./openai-responses/dialect.ts";
import { openaiCompletions } from "./openai-completions/dialect.ts";

type Dialect = Pick<ChatDialect | CompletionDialect, "decoder" | "fromResponseBody" | "parseRequest">;

// A new case is a new pair of files, no code: `x.sse`, `x.ndjson` or `x.body.json` beside `x.events.json`, `x.request.json`
// beside `x.core.json`.
const FOLDERS: readonly (readonly [string, Dialect])[] = [
  ["openai-chat", openaiChat],
  ["anthropic-messages", anthropicMessages],
  ["openai-responses", openaiResponses],
  ["ollama-chat", ollamaChat],
  ["openai-completions", openaiCompletions],
];

function decode(dialect: Dialect, bytes: Uint8Array, cuts: readonly number[] = []): ChatEvent[] {
  const decoder = dialect.decoder();
  const events: ChatEvent[] = [];
  let start = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    events.push(...decoder.push(bytes.subarray(start, cut)));
    start = cut;
  }
  return [...events, ...decoder.end()];
}

for (const [folder, dialect] of FOLDERS) {
  const path = join(import.meta.dir, folder, "fixtures");
  const names = readdirSync(path).sort();
  const expected = (name: string): unknown => JSON.parse(readFileSync(join(path, name), "utf8"));

  for (const name of names.filter((one) => /\.(sse|ndjson)$/.test(one))) {
    test(`${folder}/${name} gives its events, whole and in any pieces`, () => {
      const bytes = new Uint8Array(readFileSync(join(path, name)));
      const events = decode(dialect, bytes);
      expect<unknown>(events).toEqual(expected(name.replace(/\.\w+$/, ".events.json")));
      fc.assert(
        fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 20 }), (cuts) => {
          expect(decode(dialect, bytes, cuts)).toEqual(events);
        }),
        { numRuns: 30 },
      );
    });
  }

  for (const name of names.filter((one) => one.endsWith(".body.json"))) {
    test(`${folder}/${name} gives its events`, () => {
      const events = dialect.fromResponseBody(readFileSync(join(path, name), "utf8"));
      expect<unknown>(events).toEqual(expected(name.replace(/\.body\.json$/, ".events.json")));
    });
  }

  for (const name of names.filter((one) => one.endsWith(".request.json"))) {
    test(`${folder}/${name} is understood`, () => {
      const request = dialect.parseRequest(expected(name));
      expect<unknown>(request).toEqual({ ok: true, value: expected(name.replace(/\.request\.json$/, ".core.json")) });
    });
  }
}
