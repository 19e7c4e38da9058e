import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { collectAnswer } from "../core/chat-answer.ts";
import type { ChatEvent } from "../core/chat-event.ts";
import type { ChatRequest } from "../core/chat-request.ts";
import { anthropicMessages } from "./anthropic-messages/dialect.ts";
import type { AnswerMeta } from "./answer-meta.ts";
import type { ChatDialect } from "./dialect.ts";
import { ollamaChat } from "./ollama-chat/dialect.ts";
import { openaiChat } from "./openai-chat/dialect.ts";
import { openaiResponses } from "./openai-responses/dialect.ts";
import {
  ANSWER_BLOCKS,
  type AnswerBlock,
  blocksOfAnswer,
  blocksOfRequest,
  REQUEST_BLOCKS,
  type RequestBlock,
} from "./test-blocks.ts";
import { type DialectName, DIALECTS, type Direction, GAPS, type Note, REWORDED } from "./test-gaps.ts";

// `WRITE_FIXTURES=1` writes what is missing or has changed, and the table; then look at the difference.
const WRITE = process.env["WRITE_FIXTURES"] === "1";
const PAGE = join(import.meta.dir, "../../docs/dialects.md");
const MARK = "<!-- table -->";
const SHARED = join(import.meta.dir, "fixtures");
const DIALECT_OF: Readonly<Record<DialectName, ChatDialect>> = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  "anthropic-messages": anthropicMessages,
  "ollama-chat": ollamaChat,
};
const META: AnswerMeta = {
  id: "answer-1",
  model: "asked-for",
  createdAt: 1_795_000_000_000,
  includeUsage: true,
  promptTokensEstimate: 7,
};

function read(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** The names of the fixtures with this ending, without it. */
function namesIn(folder: string, ending: string): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(ending));
  return files.sort().map((name) => name.slice(0, -ending.length));
}

const counts = new Map<string, number>();
const cell = (block: string, dialect: DialectName, direction: Direction): string =>
  `${block} | ${dialect} | ${direction}`;

function count(blocks: Iterable<string>, dialect: DialectName, direction: Direction): void {
  for (const block of blocks) {
    const key = cell(block, dialect, direction);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
}

function gapOf(block: string, dialect: DialectName, direction: Direction): Note | undefined {
  return GAPS.find((gap) => applies(gap, block, dialect, direction));
}

/** Of these blocks, those that this dialect says in another way. */
function rewordedOf<B extends string>(blocks: readonly B[], dialect: DialectName, direction: Direction): B[] {
  return blocks.filter((block) => REWORDED.some((note) => applies(note, block, dialect, direction)));
}

function applies(note: Note, block: string, dialect: DialectName, direction: Direction): boolean {
  return note.block === block && note.dialects.includes(dialect) && note.directions.includes(direction);
}

/** The file holds exactly this; written first where that was asked for. */
function expectFile(path: string, text: string): void {
  if (WRITE && (!existsSync(path) || readFileSync(path, "utf8") !== text)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  expect(existsSync(path) ? readFileSync(path, "utf8") : "no such file").toBe(text);
}

function decoded(dialect: ChatDialect, stream: string): ChatEvent[] {
  const decoder = dialect.decoder();
  return [...decoder.push(Buffer.from(stream)), ...decoder.end()];
}

describe.each(DIALECTS)("%s", (name) => {
  const dialect = DIALECT_OF[name];
  const folder = join(import.meta.dir, name, "fixtures");
  const out = join(folder, "out");

  // `fixtures.test.ts` proves that these are what is read; here they are only counted.
  for (const fixture of namesIn(folder, ".core.json")) {
    count(blocksOfRequest(read(join(folder, `${fixture}.core.json`)) as ChatRequest), name, "request in");
  }
  for (const fixture of namesIn(folder, ".events.json")) {
    count(blocksOfAnswer(read(join(folder, `${fixture}.events.json`)) as ChatEvent[]), name, "answer in");
  }

  for (const fixture of namesIn(SHARED, ".core.json")) {
    const request = read(join(SHARED, `${fixture}.core.json`)) as ChatRequest;
    const blocks = [...blocksOfRequest(request)];
    if (blocks.some((block) => gapOf(block, name, "request out"))) continue;
    test(`${fixture} is asked of an engine, and means the same when it is read again`, () => {
      const body = dialect.toRequestBody(request);
      expectFile(join(out, `${fixture}.request.json`), `${JSON.stringify(body, null, 2)}\n`);
      const again = dialect.parseRequest(JSON.parse(JSON.stringify(body)));
      if (!again.ok) throw new Error(JSON.stringify(again.error));
      const kept = blocksOfRequest(again.value);
      expect(blocks.filter((block) => !kept.has(block))).toEqual(rewordedOf(blocks, name, "request out"));
    });
    count(blocks, name, "request out");
    const readAgain = dialect.parseRequest(JSON.parse(JSON.stringify(dialect.toRequestBody(request))));
    if (readAgain.ok) count(blocksOfRequest(readAgain.value), name, "request in");
  }

  for (const fixture of namesIn(SHARED, ".events.json")) {
    const events = read(join(SHARED, `${fixture}.events.json`)) as ChatEvent[];
    const blocks = [...blocksOfAnswer(events)];
    if (blocks.some((block) => gapOf(block, name, "answer out"))) continue;
    test(`${fixture} is told to a client, streamed and whole, and means the same when it is read again`, () => {
      const encoder = dialect.encoder(META);
      const stream = events.map((event) => encoder.encode(event)).join("");
      expectFile(join(out, `${fixture}.stream.txt`), stream);
      const answer = collectAnswer(events);
      if (!answer.ok) throw new Error(JSON.stringify(answer.error));
      const whole = dialect.toResponseBody(answer.value, META);
      expectFile(join(out, `${fixture}.whole.json`), `${JSON.stringify(whole, null, 2)}\n`);
      for (const again of [decoded(dialect, stream), dialect.fromResponseBody(JSON.stringify(whole))]) {
        const kept = blocksOfAnswer(again);
        expect(blocks.filter((block) => !kept.has(block))).toEqual(rewordedOf(blocks, name, "answer out"));
      }
    });
    count(blocks, name, "answer out");
    const encoder = dialect.encoder(META);
    const stream = events.map((event) => encoder.encode(event)).join("");
    count(blocksOfAnswer(decoded(dialect, stream)), name, "answer in");
  }
});

function table(blocks: readonly (RequestBlock | AnswerBlock)[], directions: readonly [Direction, Direction]): string {
  const heads = DIALECTS.flatMap((dialect) => directions.map((direction) => `${dialect} ${direction.split(" ")[1]}`));
  const rows = blocks.map((block) => {
    const cells = DIALECTS.flatMap((dialect) =>
      directions.map((direction) => {
        const notes = [...GAPS, ...REWORDED].filter((note) => applies(note, block, dialect, direction));
        const shown = (counts.get(cell(block, dialect, direction)) ?? 0) > 0 ? "✓" : "–";
        return [shown, ...notes.map(({ reason }) => `[${reasons.indexOf(reason) + 1}]`)].join(" ");
      }),
    );
    return `| ${[block, ...cells].join(" | ")} |`;
  });
  return [`| | ${heads.join(" | ")} |`, `|---|${heads.map(() => "---|").join("")}`, ...rows].join("\n");
}

const reasons = [...new Set([...GAPS, ...REWORDED].map(({ reason }) => reason))];

test("every cell has a fixture or a reason, and never both", () => {
  const wrong: string[] = [];
  const check = (blocks: readonly string[], directions: readonly Direction[]): void => {
    for (const block of blocks) {
      for (const dialect of DIALECTS) {
        for (const direction of directions) {
          const full = (counts.get(cell(block, dialect, direction)) ?? 0) > 0;
          if (full === (gapOf(block, dialect, direction) !== undefined))
            wrong.push(`${cell(block, dialect, direction)}: ${full ? "no gap" : "empty"}`);
        }
      }
    }
  };
  check(REQUEST_BLOCKS, ["request in", "request out"]);
  check(ANSWER_BLOCKS, ["answer in", "answer out"]);
  expect(wrong).toEqual([]);
});

test("docs/dialects.md has the table", () => {
  const generated = [
    "\n\n### Requests\n",
    table(REQUEST_BLOCKS, ["request in", "request out"]),
    "\n### Answers\n",
    table(ANSWER_BLOCKS, ["answer in", "answer out"]),
    "\n### Notes\n",
    reasons.map((reason, at) => `${at + 1}. ${reason}`).join("\n"),
    "\n",
  ].join("\n");
  const [before = "", , after = ""] = readFileSync(PAGE, "utf8").split(MARK);
  expectFile(PAGE, [before, generated, after].join(MARK));
});
