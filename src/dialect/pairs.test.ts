import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { collectAnswer } from "../core/chat-answer.ts";
import type { ChatEvent } from "../core/chat-event.ts";
import type { ChatRequest } from "../core/chat-request.ts";
import { anthropicMessages } from "./anthropic-messages/dialect.ts";
import type { ChatDialect } from "./dialect.ts";
import { ollamaChat } from "./ollama-chat/dialect.ts";
import { openaiChat } from "./openai-chat/dialect.ts";
import { openaiResponses } from "./openai-responses/dialect.ts";
import { blocksOfAnswer, blocksOfRequest } from "./test-blocks.ts";
import { type DialectName, DIALECTS, type Direction, GAPS, REWORDED } from "./test-gaps.ts";

const DIALECT_OF: Readonly<Record<DialectName, ChatDialect>> = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  "anthropic-messages": anthropicMessages,
  "ollama-chat": ollamaChat,
};
const META = {
  id: "answer-1",
  model: "m",
  createdAt: 0,
  includeUsage: true,
  promptTokensEstimate: 7,
};
const FOLDER = join(import.meta.dir, "fixtures");
const files = (ending: string): string[] => readdirSync(FOLDER).filter((name) => name.endsWith(ending));
const read = (name: string): unknown => JSON.parse(readFileSync(join(FOLDER, name), "utf8"));

/** Blocks that this dialect has no word for, or another, in these directions. */
function lost(dialect: DialectName, directions: readonly Direction[]): Set<string> {
  const notes = [...GAPS, ...REWORDED].filter(
    (note) => note.dialects.includes(dialect) && note.directions.some((one) => directions.includes(one)),
  );
  return new Set(notes.map(({ block }) => block));
}

function isSigned({ messages }: ChatRequest): boolean {
  const thoughts = messages.flatMap(({ parts }) => parts.filter((part) => part.type === "thinking"));
  return thoughts.every(({ signature }) => signature !== undefined);
}

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function asked(dialect: ChatDialect, request: ChatRequest): ChatRequest {
  const parsed = dialect.parseRequest(json(dialect.toRequestBody(request)));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

function told(dialect: ChatDialect, events: readonly ChatEvent[], whole: boolean): ChatEvent[] {
  if (whole) {
    const answer = collectAnswer(events);
    if (!answer.ok) throw new Error(JSON.stringify(answer.error));
    return dialect.fromResponseBody(JSON.stringify(dialect.toResponseBody(answer.value, META)));
  }
  const encoder = dialect.encoder(META);
  const decoder = dialect.decoder();
  const stream = Buffer.from(events.map((event) => encoder.encode(event)).join(""));
  return [...decoder.push(stream), ...decoder.end()];
}

const PAIRS = DIALECTS.flatMap((client) => DIALECTS.map((engine) => [client, engine] as const));

describe.each(PAIRS)("a client of %s before an engine of %s", (client, engine) => {
  test("is understood by it, all that both have a word for", () => {
    const without = new Set([
      ...lost(client, ["request in", "request out"]),
      ...lost(engine, ["request in", "request out"]),
    ]);
    for (const name of files(".core.json")) {
      const request = read(name) as ChatRequest;
      const blocks = blocksOfRequest(request);
      if ([...blocks].some((block) => without.has(block))) continue;
      const understood = asked(DIALECT_OF[client], request);
      // The vendor refuses thinking without its own signature, which only its own clients keep.
      if (engine === "anthropic-messages" && !isSigned(understood)) continue;
      const arrived = asked(DIALECT_OF[engine], understood);
      expect({ name, blocks: [...blocksOfRequest(arrived)].sort() }).toEqual({ name, blocks: [...blocks].sort() });
      const texts = (one: ChatRequest): string =>
        JSON.stringify(one.messages.map(({ role, parts }) => [role, parts.length]));
      expect({ name, messages: texts(arrived) }).toEqual({ name, messages: texts(request) });
    }
  });

  test("gets its answer, streamed and whole, all that both have a word for", () => {
    const without = new Set([
      ...lost(engine, ["answer in", "answer out"]),
      ...lost(client, ["answer in", "answer out"]),
    ]);
    for (const name of files(".events.json")) {
      const events = read(name) as ChatEvent[];
      const blocks = blocksOfAnswer(events);
      if ([...blocks].some((block) => without.has(block))) continue;
      for (const whole of [false, true]) {
        const arrived = told(DIALECT_OF[client], told(DIALECT_OF[engine], events, whole), whole);
        // Anthropic says a refusal in text as well.
        const kept = new Set<string>(blocksOfAnswer(arrived));
        expect({ name, whole, missing: [...blocks].filter((block) => !kept.has(block)) }).toEqual({
          name,
          whole,
          missing: [],
        });
        const [sent, got] = [collectAnswer(events), collectAnswer(arrived)];
        if (!sent.ok || !got.ok) throw new Error(name);
        const calls = ({ toolCalls }: typeof sent.value): unknown =>
          toolCalls.map((call) => [call.name, json(call.arguments)]);
        expect({ name, calls: calls(got.value) }).toEqual({ name, calls: calls(sent.value) });
      }
    }
  });
});
