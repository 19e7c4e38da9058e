import type { ChatRequest, JsonValue } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { AnswerMeta } from "../dialect/answer-meta.ts";
import type { ChatDialect } from "../dialect/dialect.ts";
import { checkChatBody } from "../dialect/openai-chat/check-body.ts";
import type { WireDialect } from "../engine/driver.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import { PassthroughRelay } from "./passthrough-relay.ts";
import type { Choice } from "./ports.ts";
import type { ChatRelay, PlannedCall, Relay, StreamRelay, WholeAnswer } from "./relay.ts";
import { translatingRelay } from "./translating-relay.ts";

export interface RelayOptions {
  readonly dialect: ChatDialect;
  readonly passthrough: WireDialect | null;
  readonly body: ScannedBody;
  /** What is translated instead of the body, where a surface put more into it. */
  readonly translated: JsonValue | undefined;
  readonly requestedModel: string;
  readonly stream: boolean;
  /** The engine streams although the client gets one piece: translate, even between equal dialects. */
  readonly collect: boolean;
  readonly meta: AnswerMeta;
  /** Who asks; see `EngineWire.plan`. */
  readonly tenant: string;
  /** Told what of the answer is not as the engine wrote it. */
  readonly account: { adjust(what: string): void };
}

/** What is wrong with the body is said at once, before anybody waits for an engine. */
export function relayFor(options: RelayOptions): Result<Relay, Failure> {
  const relay = new RequestRelay(options);
  const wrong = relay.check();
  return wrong ? err(wrong) : ok(relay);
}

/**
 * Replicas of one model may sit in engines of different dialects, so which relay it is shows only when a replica is
 * chosen. The body is parsed for translation at most once, and not at all when it is passed through.
 */
class RequestRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #through: PassthroughRelay;
  #translation: Result<ChatRelay, Failure> | null = null;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#through = new PassthroughRelay(options, this);
  }

  get streaming(): boolean {
    return this.#options.stream;
  }

  get engineStreams(): boolean {
    return this.#options.stream || this.#options.collect;
  }

  /** All that is wrong where the body must be translated, else what is plain to see. */
  check(): Failure | null {
    return this.#options.passthrough === null ? this.mistake() : checkChatBody(this.#options.body);
  }

  mistake(): Failure | null {
    const translated = this.#translated();
    return translated.ok ? null : translated.error;
  }

  plan(choice: Choice): Result<PlannedCall, Failure> {
    if (this.#fits(choice)) return this.#through.plan(choice);
    const translated = this.#translated();
    return translated.ok ? translated.value.plan(choice) : translated;
  }

  stream(choice: Choice): StreamRelay {
    return this.#reading(choice).stream(choice);
  }

  whole(body: Uint8Array, choice: Choice): Result<WholeAnswer, Failure> {
    return this.#reading(choice).whole(body, choice);
  }

  failBeforeStart(failure: Failure): Uint8Array {
    const { dialect, meta } = this.#options;
    return new TextEncoder().encode(dialect.encoder(meta).encode({ type: "failed", failure }));
  }

  letGo(): void {
    this.#options.body.letGo();
    this.#translation = null;
  }

  #fits(choice: Choice): boolean {
    return !this.#options.collect && this.#options.passthrough === choice.wire.dialect;
  }

  /** The engine may get the client's bytes, and yet what it answers is read where a call may have leaked into its text. */
  #reading(choice: Choice): ChatRelay {
    const leaks = choice.replica.toolSyntax !== undefined && this.#options.body.has("tools");
    if (this.#fits(choice) && !leaks) return this.#through;
    const translated = this.#translated();
    // Without one `plan`, which came first, failed, or the bytes were passed through.
    return translated.ok ? translated.value : this.#through;
  }

  #translated(): Result<ChatRelay, Failure> {
    this.#translation ??= translate(this.#options);
    return this.#translation;
  }
}

function translate(options: RelayOptions): Result<ChatRelay, Failure> {
  const body = options.translated ?? options.body.parse();
  const request: Result<ChatRequest, Failure> = options.dialect.parseRequest(body);
  if (!request.ok) return request;
  const { includeUsage, thinking } = request.value;
  const meta = { ...options.meta, includeUsage, omitThinking: thinking?.display === "omitted" };
  const { dialect, collect, tenant, account } = options;
  const ignored = dialect.ignored?.(body) ?? [];
  const answerAdjusted = (what: string): void => account.adjust(what);
  return ok(translatingRelay({ dialect, request: request.value, meta, collect, tenant, ignored, answerAdjusted }));
}
