import type { AnswerBlock, RequestBlock } from "./test-blocks.ts";

export const DIALECTS = ["openai-chat", "openai-responses", "anthropic-messages", "ollama-chat"] as const;
export type DialectName = (typeof DIALECTS)[number];

/** Client → core, core → engine, engine → core, core → client. */
export type Direction = "request in" | "request out" | "answer in" | "answer out";

/** Something about cells of the table. */
export interface Note {
  readonly dialects: readonly DialectName[];
  readonly directions: readonly Direction[];
  readonly block: RequestBlock | AnswerBlock;
  /** Stands below the table. */
  readonly reason: string;
}

const REQUESTS = ["request in", "request out"] as const;
const ANSWERS = ["answer in", "answer out"] as const;
const NO_SCHEMA = "There is no JSON without a schema: the schema of any object is asked for.";
const AS_TEXT = "There is no word for it: said as text, so that it is not lost.";
const NO_STOP = "The API says that an answer stopped, and not at what.";
const NO_TOOL_IMAGES =
  "A tool's message holds text only: the image follows in the next message of the user, and the text says so.";
const EVERYWHERE = ["request in", "request out", "answer in", "answer out"] as const;

const OLLAMA_ONLY_BYTES = "Ollama takes the bytes of images only: an address is refused by name.";
const NO_CHOICE =
  "There is no tool choice: where one tool can be meant, `forced-tool.ts` holds the answer to its schema; else refused by name.";
const NO_FAILURE =
  "There is no mark of failure: the result begins with `Error: `, and is text when it comes from a client.";

/** Every empty cell of the table, and why there is nothing. One that is no longer empty fails the test. */
export const GAPS: readonly Note[] = [
  note(
    "anthropic-messages",
    EVERYWHERE,
    "log probabilities",
    "The API has no log probabilities: nobody can ask for them.",
  ),
  note(
    "anthropic-messages",
    REQUESTS,
    "audio",
    "The API has no audio: it is refused by name where only such a target is left.",
  ),
  note("anthropic-messages", ["request in"], "JSON", NO_SCHEMA),
  note(["openai-chat", "openai-responses", "ollama-chat"], ["request in"], "failed tool results", NO_FAILURE),
  note(["anthropic-messages", "ollama-chat"], ["request in"], "refusal of an earlier turn", AS_TEXT),
  note("openai-responses", ANSWERS, "stop sequence", NO_STOP),
  note("openai-chat", ["answer out"], "stop sequence", NO_STOP),
  note("ollama-chat", ANSWERS, "stop sequence", NO_STOP),
  note("ollama-chat", REQUESTS, "image, URL", OLLAMA_ONLY_BYTES),
  note("ollama-chat", ["request in"], "image in a tool result", NO_TOOL_IMAGES),
  note(
    "ollama-chat",
    REQUESTS,
    "document",
    "Ollama has no documents: their text is sent as text, files are refused by name.",
  ),
  note("ollama-chat", REQUESTS, "forced tool", NO_CHOICE),
  note("ollama-chat", REQUESTS, "any tool", NO_CHOICE),
  note("ollama-chat", REQUESTS, "no tool", "There is no tool choice: where no tool may be called, none is offered."),
  note("ollama-chat", ["answer in"], "refusal", "Ollama's models refuse in text."),
  note("ollama-chat", ANSWERS, "cached tokens", "Ollama does not tell how much of a prompt it had in its cache."),
];

/** What a dialect has no word for and says in another way: the fixture is there, the block does not come back. */
export const REWORDED: readonly Note[] = [
  note(["openai-chat", "ollama-chat"], ["request out"], "image in a tool result", NO_TOOL_IMAGES),
  note(["openai-chat", "openai-responses", "ollama-chat"], ["request out"], "failed tool results", NO_FAILURE),
  note(["openai-chat", "anthropic-messages", "ollama-chat"], ["request out"], "refusal of an earlier turn", AS_TEXT),
  note("anthropic-messages", ["request out"], "JSON", NO_SCHEMA),
  note("ollama-chat", ["answer out"], "refusal", AS_TEXT),
];

function note(
  dialects: DialectName | readonly DialectName[],
  directions: readonly Direction[],
  block: Note["block"],
  reason: string,
): Note {
  return { dialects: typeof dialects === "string" ? [dialects] : dialects, directions, block, reason };
}
