import { collectAnswer, type ChatAnswer } from "../core/chat-answer.ts";
import type { ChatEvent, StreamDecoder, StreamEncoder } from "../core/chat-event.ts";
import type { CompletionAsk, CompletionRequest } from "../core/completion-request.ts";
import type { Failure } from "../core/failure.ts";
import { err } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import { EventProgress } from "./event-progress.ts";
import type { Choice } from "./ports.ts";
import type { Relay, StreamRelay } from "./relay.ts";

const text = new TextEncoder();

export interface CompletionRelayOptions {
  readonly ask: CompletionAsk;
  /** The choice that this call is for. */
  readonly request: CompletionRequest;
  /** Who asks; see `EngineWire.plan`. */
  readonly tenant: string;
  readonly encoder: () => StreamEncoder;
  /** What the choices before took, for the count at a stream's end. */
  readonly countWith: (usage: TokenUsage) => TokenUsage;
  /** Gets the choice when it is whole; only where the client wants no stream. */
  readonly collected: (answer: ChatAnswer) => void;
}

/**
 * One choice of a completion: an engine call of its own, which always streams, so that a quota can end it in time and
 * a hang-up frees the engine. Frames for the client where it wants a stream; otherwise the answer is collected.
 */
export function completionRelay(options: CompletionRelayOptions): Relay {
  const { ask, request } = options;
  return {
    streaming: ask.stream,
    engineStreams: true,
    plan({ replica, wire }: Choice) {
      if (!wire.completions) return err(withoutCompletions(ask.model, wire.kind));
      const sent = { ...request, model: replica.engineModel, stream: true, includeUsage: true };
      return wire.completions.plan(sent, ask.extra, replica, options.tenant);
    },
    stream({ wire }: Choice): StreamRelay {
      const decoder = wire.completions?.decode(request);
      // `plan` came first, and an engine without completions got no further.
      if (!decoder) throw new Error(`the engine ${wire.kind} has no completions to read`);
      return new ChoiceStream(decoder, options);
    },
    whole: () => err({ kind: "engine_failed", engine: "engine", cause: "it did not stream" }),
    failBeforeStart: (failure) => text.encode(options.encoder().encode({ type: "failed", failure })),
  };
}

function withoutCompletions(model: string, engine: string): Failure {
  const message = `The engine ${engine}, which serves "${model}", cannot complete texts without a chat template. Use POST /v1/chat/completions.`;
  return { kind: "unsupported", capability: "completions", endpoint: false, message };
}

class ChoiceStream implements StreamRelay {
  readonly progress = new EventProgress();
  readonly #decoder: StreamDecoder;
  readonly #encoder: StreamEncoder;
  readonly #options: CompletionRelayOptions;
  readonly #events: ChatEvent[] = [];
  #echoed = false;

  constructor(decoder: StreamDecoder, options: CompletionRelayOptions) {
    this.#decoder = decoder;
    this.#encoder = options.encoder();
    this.#options = options;
  }

  push(chunk: Uint8Array): Uint8Array | null {
    return this.#send(this.#decoder.push(chunk));
  }

  end(): Uint8Array | null {
    return this.#send(this.#decoder.end());
  }

  fail(failure: Failure): Uint8Array {
    return text.encode(this.#encoder.encode({ type: "failed", failure }));
  }

  cutShort(): Uint8Array {
    const end: ChatEvent[] = [
      { type: "usage", usage: this.progress.counted },
      { type: "done", reason: "length" },
    ];
    return this.#send(end) ?? new Uint8Array();
  }

  #send(events: readonly ChatEvent[]): Uint8Array | null {
    const out = events.map((event) => this.#pass(event)).join("");
    return out === "" ? null : text.encode(out);
  }

  #pass(event: ChatEvent): string {
    this.progress.see(event);
    // The caller decides between another replica, a status and `fail`.
    if (event.type === "failed") return "";
    const frames = event.type === "text" || event.type === "done" ? this.#echo() : "";
    return frames + this.#write(event);
  }

  /** The prompt, as the first piece of the choice. */
  #echo(): string {
    const { ask, request } = this.#options;
    if (!ask.echo || this.#echoed || typeof request.prompt !== "string") return "";
    this.#echoed = true;
    return this.#write({ type: "text", text: request.prompt });
  }

  #write(event: ChatEvent): string {
    const { ask, countWith, collected } = this.#options;
    if (ask.stream) {
      return this.#encoder.encode(event.type === "usage" ? { ...event, usage: countWith(event.usage) } : event);
    }
    this.#events.push(event);
    if (event.type === "done") {
      const answer = collectAnswer(this.#events);
      if (answer.ok) collected(answer.value);
    }
    return "";
  }
}
