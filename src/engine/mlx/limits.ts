import type { Failure } from "../../core/failure.ts";
import type { Replica } from "../../core/replica.ts";

/** What the server gives an answer that names no limit: far too little for an agent. */
const SERVER_DEFAULT_TOKENS = 512;
/** JSON of prose and code. */
const CHARACTERS_PER_TOKEN = 4;

/** It gives them with whole answers only. */
export const NO_STREAMED_LOGPROBS = "logprobs left out of the stream";

/** How long an answer may get when the client set no limit: what the context leaves beside the prompt, by a guess. */
export function roomFor(promptCharacters: number, replica: Replica): number {
  const promptTokens = Math.ceil(promptCharacters / CHARACTERS_PER_TOKEN);
  return Math.max(SERVER_DEFAULT_TOKENS, replica.contextTokens - promptTokens);
}

/** So many characters a token are found in nothing that people write. */
const MOST_CHARACTERS_PER_TOKEN = 8;

/**
 * The server bounds no prompt: one beyond the context is answered with nonsense. It cannot count one either, so only what
 * cannot fit by any count is refused.
 */
export function surelyTooLong(promptCharacters: number, replica: Replica): Failure | null {
  const { model, contextTokens } = replica;
  const promptTokens = Math.ceil(promptCharacters / MOST_CHARACTERS_PER_TOKEN);
  return promptTokens > contextTokens ? { kind: "context_exceeded", model, promptTokens, contextTokens } : null;
}

/** What the server passes over in silence though it changes the answer; null: nothing of the kind is asked. */
export function refusedFeature(asked: {
  readonly toolChoice: string | undefined;
  readonly output: string;
}): Failure | null {
  if (asked.toolChoice === "required" || asked.toolChoice === "tool") {
    return unsupported("tool_choice", `forced tool calls on MLX-LM: send tool_choice "auto"`);
  }
  if (asked.output !== "text") {
    return unsupported("response_format", "structured output on MLX-LM: ask for JSON in words");
  }
  return null;
}

export function unsupported(capability: string, what: string): Failure {
  return { kind: "unsupported", capability, endpoint: false, message: `This model does not support ${what}.` };
}
