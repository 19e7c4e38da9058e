import type { ChatEvent, StreamDecoder } from "../../core/chat-event.ts";
import type { ChatRequest, JsonValue } from "../../core/chat-request.ts";
import type { ToolSyntax } from "../../core/replica.ts";
import type { AnswerPart } from "./answer-part.ts";
import { ToolCallStage } from "./tool-call-stage.ts";

/** Events of one answer in, the same with leaked calls as calls out. Any split of its text gives the same. */
export interface CallRecovery {
  push(events: readonly ChatEvent[]): ChatEvent[];
}

/**
 * Some models write a call as text, and their engine lets it through. Where the template's own marks stand around it, it is
 * whole, and one of the offered tools is named, it can be nothing else. Null: no call is wanted, or none can be told apart.
 * `recovered` is called for each.
 */
export function callRecovery(
  request: Pick<ChatRequest, "tools" | "toolChoice" | "parallelToolCalls" | "logprobs">,
  syntax: ToolSyntax | undefined,
  newCallId: () => string,
  recovered: () => void = () => undefined,
): CallRecovery | null {
  if (syntax === undefined || request.tools.length === 0 || request.toolChoice?.kind === "none") return null;
  // Log probabilities belong to the text as it was written.
  if (request.logprobs) return null;
  const tools = new Map(request.tools.map(({ name, parameters }) => [name, parameters]));
  const stage = new ToolCallStage({ syntax, tools, parallel: request.parallelToolCalls !== false, knownOnly: true });
  return new Recovery(stage, newCallId, recovered);
}

/** The decoder of an answer whose leaked calls are recovered. */
export function recovering(decoder: StreamDecoder, recovery: CallRecovery | null): StreamDecoder {
  if (recovery === null) return decoder;
  return {
    push: (bytes) => recovery.push(decoder.push(bytes)),
    end: () => recovery.push(decoder.end()),
  };
}

class Recovery implements CallRecovery {
  readonly #stage: ToolCallStage;
  readonly #newCallId: () => string;
  readonly #tell: () => void;
  /** The engine's own calls by its numbers: recovered ones may have come before. */
  readonly #numbers = new Map<number, number>();
  #calls = 0;
  #recovered = false;
  #pending: { readonly name: string; json: string } | null = null;

  constructor(stage: ToolCallStage, newCallId: () => string, tell: () => void) {
    this.#tell = tell;
    this.#stage = stage;
    this.#newCallId = newCallId;
  }

  push(events: readonly ChatEvent[]): ChatEvent[] {
    return events.flatMap((event) => this.#one(event));
  }

  #one(event: ChatEvent): ChatEvent[] {
    switch (event.type) {
      case "text":
        return this.#read(this.#stage.push(event.text));
      case "tool_call":
        this.#numbers.set(event.index, this.#calls);
        return [...this.#read(this.#stage.end()), { ...event, index: this.#calls++ }];
      case "tool_arguments":
        return [{ ...event, index: this.#numbers.get(event.index) ?? event.index }];
      case "usage":
      case "failed":
        return [...this.#read(this.#stage.end()), event];
      case "done": {
        const rest = this.#read(this.#stage.end());
        return [...rest, this.#recovered && event.reason === "stop" ? { type: "done", reason: "tool_calls" } : event];
      }
      default:
        return [event];
    }
  }

  /** A call is held back until it is whole: what goes wrong in it is text, as it was written. */
  #read(parts: readonly AnswerPart[]): ChatEvent[] {
    const events: ChatEvent[] = [];
    for (const part of parts) {
      switch (part.type) {
        case "text":
        case "thinking":
          events.push({ type: "text", text: part.text });
          break;
        case "tool_call":
          this.#pending = { name: part.name, json: "" };
          break;
        case "tool_arguments":
          if (this.#pending) this.#pending.json += part.json;
          break;
        case "tool_call_end":
          events.push(...this.#call(part.whole, part.raw));
      }
    }
    return events;
  }

  #call(whole: boolean, raw: string): ChatEvent[] {
    const call = this.#pending;
    this.#pending = null;
    if (!call || !whole || !isObjectText(call.json)) return [{ type: "text", text: raw }];
    this.#recovered = true;
    this.#tell();
    const index = this.#calls++;
    return [
      { type: "tool_call", index, id: this.#newCallId(), name: call.name },
      { type: "tool_arguments", index, json: call.json },
    ];
  }
}

function isObjectText(json: string): boolean {
  try {
    const value = JSON.parse(json) as JsonValue;
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
