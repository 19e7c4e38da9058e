import { collectAnswer } from "../core/chat-answer.ts";
import type { ChatEvent, StreamDecoder, StreamEncoder } from "../core/chat-event.ts";
import type { ChatRequest } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import { newId } from "../core/id.ts";
import { ok, type Result } from "../core/result.ts";
import { shimForLocal } from "../dialect/agent-shim.ts";
import type { AnswerMeta } from "../dialect/answer-meta.ts";
import type { ChatDialect } from "../dialect/dialect.ts";
import { distinctCalls, withDistinctCalls } from "../dialect/distinct-calls.ts";
import { callRecovery, recovering } from "../dialect/tool-text/leaked-calls.ts";
import type { AnswerReader } from "../engine/driver.ts";
import { EventProgress } from "./event-progress.ts";
import type { Choice } from "./ports.ts";
import { checkingModel, checkModel, nameToAnswerBy } from "./wrong-model.ts";
import type { ChatRelay, PlannedCall, StreamRelay, WholeAnswer } from "./relay.ts";

const text = new TextEncoder();
const bytesToText = new TextDecoder();

export interface TranslationOptions {
  readonly dialect: ChatDialect;
  readonly request: ChatRequest;
  readonly meta: AnswerMeta;
  /** Ask the engine for a stream although the client wants none: a quota can then end the answer in time. */
  readonly collect: boolean;
  /** Who asks; see `EngineWire.plan`. */
  readonly tenant: string;
  /** What of the client's body the request does not hold. */
  readonly ignored?: readonly string[];
  /** Told what of the answer is not as the engine wrote it, when that is seen. */
  readonly answerAdjusted?: (what: string) => void;
}

/** Stands in `x-flock-adjusted`, and in a comment of the stream where the headers are gone. */
const READ_AS_CALL = "tool call read out of the text";

/** Client and engine speak different dialects: every answer goes through `core/`'s events. */
export function translatingRelay(options: TranslationOptions): ChatRelay {
  const { dialect, request, meta, tenant, ignored = [] } = options;
  const engineStreams = request.stream || options.collect;
  const engineRequest: ChatRequest = { ...request, stream: engineStreams, includeUsage: engineStreams };
  // An engine may read the answer to one call differently from others: a forced tool that it knows as a schema only.
  let planned: AnswerReader | undefined;
  const recoveryFor = ({ replica }: Choice, seen: () => void = () => undefined) =>
    callRecovery(
      request,
      replica.toolSyntax,
      () => newId("call"),
      () => {
        options.answerAdjusted?.(READ_AS_CALL);
        seen();
      },
    );
  const distinct = distinctCalls(request, () => newId("call"));
  return {
    plan(choice: Choice): Result<PlannedCall, Failure> {
      const { replica, wire } = choice;
      const { request: shimmed, adjusted } = shimForLocal(engineRequest, replica.contextTokens);
      const call = wire.plan({ ...shimmed, model: replica.engineModel }, replica, tenant);
      if (!call.ok) return call;
      planned = call.value.reader;
      return ok({ ...call.value, adjusted: [...ignored, ...adjusted, ...(call.value.adjusted ?? [])] });
    },
    stream(choice: Choice): StreamRelay {
      const decoder = withDistinctCalls((planned ?? choice.wire).decode(), distinct);
      const checked = checkingModel(decoder, nameToAnswerBy(choice));
      if (!request.stream) {
        const recovered = recovering(checked, recoveryFor(choice));
        return new CollectedStream(recovered, (events) => renderWhole(dialect, events, meta));
      }
      const remarks: string[] = [];
      // What a dialect sends to keep a stream open shows whether its clients expect comments.
      const comments = dialect.keepAlive.startsWith(":");
      const recovery = recoveryFor(choice, () => comments && remarks.push(`: x-flock-adjusted: ${READ_AS_CALL}\n\n`));
      return new TranslatedStream(recovering(checked, recovery), dialect.encoder(meta), remarks);
    },
    whole(body: Uint8Array, choice: Choice): Result<WholeAnswer, Failure> {
      const read = (planned ?? choice.wire).readAnswer(bytesToText.decode(body));
      const answer = distinct?.(read) ?? read;
      const events = checkModel(answer, nameToAnswerBy(choice));
      return renderWhole(dialect, recoveryFor(choice)?.push(events) ?? events, meta);
    },
  };
}

function renderWhole(
  dialect: ChatDialect,
  events: Iterable<ChatEvent>,
  meta: AnswerMeta,
): Result<WholeAnswer, Failure> {
  const answer = collectAnswer(events);
  if (!answer.ok) return answer;
  return ok({ body: JSON.stringify(dialect.toResponseBody(answer.value, meta)), usage: answer.value.usage });
}

class TranslatedStream implements StreamRelay {
  readonly progress = new EventProgress();
  readonly #decoder: StreamDecoder;
  readonly #encoder: StreamEncoder;
  readonly #remarks: string[];

  /** `remarks`: comments for the client, sent as soon as they are there. */
  constructor(decoder: StreamDecoder, encoder: StreamEncoder, remarks: string[]) {
    this.#decoder = decoder;
    this.#encoder = encoder;
    this.#remarks = remarks;
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
    const events: ChatEvent[] = [{ type: "done", reason: "length" }];
    return this.#send(events) ?? new Uint8Array();
  }

  /** A failure is not encoded here: the caller decides between another replica, a status and `fail`. */
  #send(events: readonly ChatEvent[]): Uint8Array | null {
    let out = this.#remarks.length === 0 ? "" : this.#remarks.splice(0).join("");
    for (const event of events) {
      this.progress.see(event);
      if (event.type !== "failed") out += this.#encoder.encode(event);
    }
    return out === "" ? null : text.encode(out);
  }
}

/** Adds the pieces up and gives the whole body at the end. */
class CollectedStream implements StreamRelay {
  readonly progress = new EventProgress();
  readonly #events: ChatEvent[] = [];
  readonly #decoder: StreamDecoder;
  readonly #render: (events: readonly ChatEvent[]) => Result<WholeAnswer, Failure>;

  constructor(decoder: StreamDecoder, render: (events: readonly ChatEvent[]) => Result<WholeAnswer, Failure>) {
    this.#decoder = decoder;
    this.#render = render;
  }

  push(chunk: Uint8Array): Uint8Array | null {
    return this.#take(this.#decoder.push(chunk));
  }

  end(): Uint8Array | null {
    return this.#take(this.#decoder.end());
  }

  fail(): Uint8Array {
    return new Uint8Array();
  }

  cutShort(): Uint8Array {
    return (
      this.#take([
        { type: "usage", usage: this.progress.counted },
        { type: "done", reason: "length" },
      ]) ?? new Uint8Array()
    );
  }

  #take(events: readonly ChatEvent[]): Uint8Array | null {
    for (const event of events) {
      this.#events.push(event);
      this.progress.see(event);
    }
    if (!this.progress.finished) return null;
    const whole = this.#render(this.#events);
    if (whole.ok) return typeof whole.value.body === "string" ? text.encode(whole.value.body) : whole.value.body;
    this.progress.failure = whole.error;
    this.progress.finished = false;
    return null;
  }
}
