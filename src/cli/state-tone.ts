import type { Tone } from "./output.ts";

/** How the state of an engine, a model or a job is coloured. */
export function toneOf(state: string): Tone {
  if (state === "ready" || state === "succeeded") return "good";
  return state === "crashloop" || state === "failed" || state === "lost" ? "bad" : "warn";
}
