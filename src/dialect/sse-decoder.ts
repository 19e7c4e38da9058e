import type { ChatEvent, StreamDecoder } from "../core/chat-event.ts";
import { engineFailure } from "../core/failure.ts";
import { SseParser, type SseFrame } from "../wire/sse.ts";
import { OneEnding } from "./one-ending.ts";
import type { RepeatedFrame } from "./repeated-frame.ts";

/** A dialect's stream as a pure reducer. */
export interface StreamSteps<State> {
  readonly initial: State;
  step(state: State, frame: SseFrame): readonly [State, readonly ChatEvent[]];
  /** The stream closed without an end mark. */
  end(state: State): readonly ChatEvent[];
  /**
   * Reads what repeats without a step. Only where a step that leaves the state as it was gives events that depend on the
   * frame's data alone.
   */
  readonly repeated?: RepeatedFrame;
}

/** Runs the steps over bytes, and keeps the promise that one `done` or `failed` ends them and nothing follows. */
export function sseDecoder<State>(steps: StreamSteps<State>): StreamDecoder {
  const parser = new SseParser();
  let state = steps.initial;
  const ending = new OneEnding();
  const { repeated } = steps;
  const again = (data: string): readonly ChatEvent[] => {
    const [next, stepped] = steps.step(state, { event: "", data });
    return next === state ? stepped : [];
  };

  return {
    push(bytes) {
      const events: ChatEvent[] = [];
      if (ending.over) return events;
      const known = parser.betweenFrames ? (repeated?.read(bytes) ?? null) : null;
      if (known !== null) return known;
      for (const frame of parser.push(bytes)) {
        const [next, stepped] = steps.step(state, frame);
        if (next === state) repeated?.learn(frame.data, stepped, again);
        state = next;
        ending.pass(stepped, events);
        if (ending.over) return events;
      }
      if (parser.tooLong) ending.pass([failed("a frame of the answer is too long")], events);
      return events;
    },
    end() {
      const events: ChatEvent[] = [];
      if (!ending.over) ending.pass(steps.end(state), events);
      return events;
    },
  };
}

export function failed(cause: string): ChatEvent {
  return { type: "failed", failure: engineFailure(cause) };
}

/** The text of an `error` member, whatever its shape; short, since it reaches the client. */
export function errorText(error: unknown): string {
  const message = typeof error === "object" && error !== null && "message" in error ? error.message : error;
  const text = typeof message === "string" ? message : (JSON.stringify(message) ?? "unknown error");
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}

/** Undefined where the text is not JSON. */
export function tryJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
