import type { ChatEvent, StreamDecoder } from "../../core/chat-event.ts";
import { llamaInfillFrame, type LlamaInfillFrame } from "../../wire/llama-infill.ts";
import { errorText, failed, sseDecoder, tryJson } from "../sse-decoder.ts";
import { fromTokenLogprobs } from "../token-logprobs.ts";

interface State {
  readonly started: boolean;
}

/** Reads llama-server's own completion stream. It ends with the frame that says `stop`, without a mark behind it. */
export function decoder(): StreamDecoder {
  return sseDecoder<State>({
    initial: { started: false },
    step(state, frame) {
      if (frame.data === "[DONE]") return [state, []];
      const parsed = llamaInfillFrame().safeParse(tryJson(frame.data));
      if (!parsed.success) return [state, [failed("a frame of the answer has an unknown shape")]];
      const { error } = parsed.data;
      if (error !== undefined && error !== null) return [state, [failed(errorText(error))]];
      const start: ChatEvent[] = state.started ? [] : [{ type: "start" }];
      return [{ started: true }, [...start, ...toEvents(parsed.data)]];
    },
    end: () => [failed("the answer ended early")],
  });
}

function toEvents(frame: LlamaInfillFrame): ChatEvent[] {
  const events: ChatEvent[] = [];
  if (frame.content) {
    const logprobs = fromTokenLogprobs(frame.completion_probabilities ?? []);
    events.push({ type: "text", text: frame.content, ...(logprobs.length > 0 ? { logprobs } : {}) });
  }
  if (!frame.stop) return events;
  const promptTokens = frame.tokens_evaluated ?? 0;
  const cachedTokens = Math.min(promptTokens, Math.max(0, frame.timings?.cache_n ?? 0));
  events.push({ type: "usage", usage: { promptTokens, completionTokens: frame.tokens_predicted ?? 0, cachedTokens } });
  if (frame.stop_type === "limit") events.push({ type: "done", reason: "length" });
  else if (frame.stop_type === "word" && frame.stopping_word)
    events.push({ type: "done", reason: "stop_sequence", stopSequence: frame.stopping_word });
  else events.push({ type: "done", reason: "stop" });
  return events;
}
