import type { ChatEvent, StreamDecoder } from "../../core/chat-event.ts";
import { NdjsonParser } from "../../wire/ndjson.ts";
import { failed, tryJson } from "../sse-decoder.ts";
import { OneEnding } from "../one-ending.ts";

/** A dialect's stream as a pure reducer over the JSON values of its lines. */
export interface LineSteps<State> {
  readonly initial: State;
  step(state: State, value: unknown): readonly [State, readonly ChatEvent[]];
  /** The stream closed without an end mark. */
  end(state: State): readonly ChatEvent[];
}

/** Runs the steps over bytes, and keeps the promise that one `done` or `failed` ends them and nothing follows. */
export function ndjsonDecoder<State>(steps: LineSteps<State>): StreamDecoder {
  const parser = new NdjsonParser();
  let state = steps.initial;
  const ending = new OneEnding();

  function step(value: unknown, to: ChatEvent[]): void {
    const [next, events] = steps.step(state, value);
    state = next;
    ending.pass(events, to);
  }

  return {
    push(bytes) {
      const events: ChatEvent[] = [];
      if (ending.over) return events;
      for (const line of parser.push(bytes)) {
        const value = tryJson(line);
        if (value === undefined) ending.pass([failed("a line of the answer is not JSON")], events);
        else step(value, events);
        if (ending.over) return events;
      }
      if (parser.tooLong) ending.pass([failed("a line of the answer is too long")], events);
      return events;
    },
    end() {
      const events: ChatEvent[] = [];
      if (ending.over) return events;
      for (const line of parser.end()) {
        const value = tryJson(line);
        // The last line may lack its line end. Half a line is no line: the engine was killed in it.
        if (value !== undefined) step(value, events);
      }
      if (!ending.over) ending.pass(steps.end(state), events);
      return events;
    },
  };
}
