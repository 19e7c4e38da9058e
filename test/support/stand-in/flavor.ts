import { type Script, words } from "../script.ts";

/** A piece of an answer, as an engine gives it. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "thinking"; readonly text: string }
  | { readonly kind: "call"; readonly index: number; readonly name: string; readonly arguments: string };

/** What an engine says when something is wrong before it answers. */
export type Trouble = "overflow" | "wrong-model" | "busy" | "crash" | "bad-request" | "no-tools" | "no-images";

export interface Reply {
  readonly status: number;
  readonly body: string;
}

/** How one kind of engine speaks. None of them is that engine: they are stand-ins, with its shapes. */
export interface Flavor {
  readonly kind: string;
  readonly chatPath: string;
  readonly streamType: string;
  /** Header `server` of its answers; null: none. */
  readonly server: string | null;
  /** What it says of itself, by path. */
  readonly about: Readonly<Record<string, (asked: unknown) => Reply>>;
  open(model: string): string;
  frame(model: string, piece: Piece): string;
  close(model: string, script: Script): string;
  whole(model: string, script: Script): unknown;
  /** A failure after the status went out. */
  failure(text: string): string;
  readonly troubles: Partial<Record<Trouble, Reply>>;
  readonly embeddings: { readonly path: string; answer(model: string, inputs: readonly string[]): unknown } | null;
}

/** Text in pieces of about a word, as a tokenizer gives them; calls whole. */
export function piecesOf(script: Script): Piece[] {
  return [
    ...words(script.thinking ?? "").map((text) => ({ kind: "thinking", text }) as const),
    ...words(script.text ?? "").map((text) => ({ kind: "text", text }) as const),
    ...(script.toolCalls ?? []).map((call, index) => ({ kind: "call", index, ...call }) as const),
  ];
}

export function usageOf(script: Script): { prompt: number; completion: number; cached: number } {
  const { prompt = 10, completion = piecesOf(script).length, cached = 0 } = script.usage ?? {};
  return { prompt, completion, cached };
}

export function reply(value: unknown, status = 200): Reply {
  return { status, body: typeof value === "string" ? value : JSON.stringify(value) };
}

export const VECTOR = [0.6, 0.8];
