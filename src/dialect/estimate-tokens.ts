import type { ChatRequest, Part } from "../core/chat-request.ts";
import { scriptCost, type Vocabulary, vocabularyOf } from "./script-costs.ts";

/**
 * How many tokens a text is, without the model's tokenizer: text falls into pieces as it does for the byte-pair vocabularies
 * of 100,000 tokens and more that today's models have (Llama 3, Qwen, GPT), and each kind of piece costs about so much for
 * its length. The costs were measured over prose, code in several languages, YAML and tool schemas.
 */
const PIECE =
  /[^\r\n\p{L}\p{N}\p{M}]?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}\p{M}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

/** Longer texts are judged by samples: the estimate must not keep the event loop. */
const MOST_CHARACTERS = 65_536;
const SAMPLES = 32;

/** A vocabulary of another cut; by what a model is called. */
const FAMILIES: readonly (readonly [RegExp, number])[] = [
  [/gemma/i, 1.1],
  // Every digit is a token.
  [/qwen/i, 1.03],
  [/llama-?2|mistral-7b|mixtral|phi-?3|tinyllama/i, 1.2],
];

export function estimateTokens(text: string, vocabulary: Vocabulary = "mixed"): number {
  if (text.length <= MOST_CHARACTERS) return countPieces(text, vocabulary);
  const size = Math.floor(MOST_CHARACTERS / SAMPLES);
  const step = Math.floor((text.length - size) / (SAMPLES - 1));
  let counted = 0;
  for (let at = 0; at < SAMPLES; at += 1) counted += countPieces(text.slice(at * step, at * step + size), vocabulary);
  return (counted / (size * SAMPLES)) * text.length;
}

function countPieces(text: string, vocabulary: Vocabulary): number {
  let tokens = 0;
  for (const [piece] of text.matchAll(PIECE)) tokens += costOf(piece, vocabulary);
  return tokens;
}

function costOf(piece: string, vocabulary: Vocabulary): number {
  const first = piece.charCodeAt(0);
  if (first <= 0x20 && piece.trimStart() === "") return 1;
  if (first >= 0x30 && first <= 0x39) return 1 + (piece.length - 1) * 0.33;
  const word = isLetter(first) ? piece : piece.slice(1);
  if (!isLetter(word.charCodeAt(0)))
    return word.length > 0 && /[\p{L}\p{M}]/u.test(piece) ? foreign(word, vocabulary) : marks(piece);
  if (/[^A-Za-z]/.test(word)) return foreign(word, vocabulary);
  const { length } = word;
  if (length > 1 && word === word.toUpperCase()) return Math.max(1, length * 0.27);
  if (/[a-z][A-Z]|[A-Z]{2}[a-z]/.test(word)) return 1.3 + length * 0.09;
  // A word behind a space is usually a token of its own; one within an identifier less so.
  if (first === 0x20) return 1 + Math.max(0, length - 8) * 0.08;
  return word === piece ? 1 + Math.max(0, length - 6) * 0.08 : 1 + Math.max(0, length - 4) * 0.12;
}

function marks(piece: string): number {
  let cost = Math.max(1, 1 + (piece.length - 3) * 0.37);
  // Emoji and the like are several bytes, and rarely one token.
  for (const character of piece) if ((character.codePointAt(0) ?? 0) > 0x2fff) cost += 1.2;
  return cost;
}

/** Letters of other scripts than Latin's first: by how often the vocabulary joins them. */
function foreign(word: string, vocabulary: Vocabulary): number {
  let cost = 0;
  for (const character of word) cost += scriptCost(character.codePointAt(0) ?? 0, vocabulary);
  return Math.max(1, cost);
}

function isLetter(code: number): boolean {
  const lower = code | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || code >= 0xc0;
}

/** What templates put around a message: its role, and marks before and behind. */
const MESSAGE_TOKENS = 5;
const ANSWER_TOKENS = 4;
const TOOLS_TOKENS = 60;
const TOOL_TOKENS = 8;
const IMAGE_TOKENS = 768;

/** The prompt of a chat: what is said, the tools, and the template around both. */
export function estimatePrompt(request: ChatRequest, modelNames: readonly string[]): number {
  const vocabulary = vocabularyOf(modelNames);
  let tokens = ANSWER_TOKENS;
  for (const { parts } of request.messages) {
    tokens += MESSAGE_TOKENS;
    for (const part of parts) tokens += estimatePart(part, vocabulary);
  }
  if (request.tools.length > 0) tokens += TOOLS_TOKENS;
  for (const { name, description = "", parameters } of request.tools) {
    tokens +=
      TOOL_TOKENS +
      estimateTokens(name) +
      estimateTokens(description, vocabulary) +
      estimateTokens(JSON.stringify(parameters), vocabulary);
  }
  const factor = FAMILIES.find(([family]) => modelNames.some((name) => family.test(name)))?.[1] ?? 1;
  return Math.ceil(tokens * factor);
}

function estimatePart(part: Part, vocabulary: Vocabulary): number {
  switch (part.type) {
    case "text":
    case "refusal":
      return estimateTokens(part.text, vocabulary);
    case "thinking":
      return 0;
    case "image":
      return IMAGE_TOKENS;
    case "audio":
      return Math.ceil(part.data.length / 1280);
    case "document":
      return part.source.kind === "text" ? estimateTokens(part.source.text, vocabulary) : IMAGE_TOKENS;
    case "tool_call":
      return MESSAGE_TOKENS + estimateTokens(part.name) + estimateTokens(part.arguments, vocabulary);
    case "tool_result":
      return part.content.reduce((sum, one) => sum + estimatePart(one, vocabulary), MESSAGE_TOKENS);
  }
}
