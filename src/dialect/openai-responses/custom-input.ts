import type { JsonObject } from "../../core/chat-request.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import { tryJson } from "../sse-decoder.ts";

/** The text of a custom tool as an engine knows it: the one argument `input` of a function. */
export function toCustomArguments(input: string): string {
  return JSON.stringify({ input } satisfies JsonObject);
}

/** Engines write arguments of another form when nothing holds them to the schema: then the whole is the text. */
export function fromCustomArguments(json: string): string {
  const value = tryJson(json);
  if (typeof value === "string") return value;
  if (!isJsonObject(value)) return json;
  const { input } = value;
  if (typeof input === "string") return input;
  return Object.keys(value).length === 0 ? "" : json;
}

/** The text so far of arguments that are still being written. `rest` is JSON that has not been read. */
export interface InputState {
  readonly where: "before" | "inside" | "after";
  readonly rest: string;
  readonly input: string;
}

export const NO_INPUT: InputState = { where: "before", rest: "", input: "" };

const OPENING = /^\s*\{\s*"input"\s*:\s*"/;

/** Adds a piece of JSON; gives the text that is certain now, so that a long patch is seen while it is written. */
export function stepInput(state: InputState, json: string): readonly [InputState, string] {
  if (state.where === "after") return [state, ""];
  let rest = state.rest + json;
  if (state.where === "before") {
    const opening = OPENING.exec(rest);
    if (!opening) return [{ ...state, rest }, ""];
    rest = rest.slice(opening[0].length);
  }
  let end = 0;
  while (end < rest.length && rest[end] !== '"') {
    const length = rest[end] !== "\\" ? 1 : rest[end + 1] === "u" ? 6 : 2;
    if (end + length > rest.length) break;
    end += length;
  }
  const text = unescape(rest.slice(0, end));
  const closed = rest[end] === '"';
  const next = { where: closed ? "after" : "inside", rest: closed ? "" : rest.slice(end), input: state.input + text };
  return [next as InputState, text];
}

/** The whole text once the call is over, and the part of it that was not given before. */
export function endInput(state: InputState): { readonly input: string; readonly missing: string } {
  if (state.where !== "before") return { input: state.input, missing: "" };
  const input = fromCustomArguments(state.rest);
  return { input, missing: input };
}

function unescape(text: string): string {
  const value = tryJson(`"${text.replaceAll(/\p{Cc}/gu, (one) => JSON.stringify(one).slice(1, -1))}"`);
  return typeof value === "string" ? value : text;
}
