import type { ChatRequest, JsonValue } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { AnswerMeta } from "../dialect/answer-meta.ts";
import type { ChatDialect } from "../dialect/dialect.ts";
import { checkChatBody } from "../dialect/openai-chat/check-body.ts";
import type { WireDialect } from "../engine/driver.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import { passthroughRelay } from "./passthrough-relay.ts";
import type { Choice } from "./ports.ts";
import type { ChatRelay, PlannedCall, Relay, StreamRelay, WholeAnswer } from "./relay.ts";
import { translatingRelay } from "./translating-relay.ts";

export interface RelayOptions {
  readonly dialect: ChatDialect;
  readonly passthrough: WireDialect | null;
  readonly body: ScannedBody;
  /** What is translated instead of the body, where a surface put more into it. */
  readonly translated?: JsonValue;
  readonly requestedModel: string;
  readonly stream: boolean;
  /** The engine streams although the client gets one piece: translate, even between equal dialects. */
  readonly collect: boolean;
  readonly meta: AnswerMeta;
  /** Who asks; see `EngineWire.plan`. */
  readonly tenant: string;
  /** Told what of the answer is not as the engine wrote it. */
  readonly answerAdjusted: (what: string) => void;
}

/**
 * Replicas of one model may sit in engines of different dialects, so which relay it is shows only when a replica is
 * chosen. The body is parsed for translation at most once, and not at all when it is passed through. What is wrong with it
 * is said at once, before anybody waits for an engine: all of it where it must be translated, else what is plain to see.
 */
export function relayFor(options: RelayOptions): Result<Relay, Failure> {
  const through = passthroughRelay({
    body: options.body,
    requestedModel: options.requestedModel,
    stream: options.stream,
    tenant: options.tenant,
  });
  let translation: Result<ChatRelay, Failure> | null = null;
  const translated = (): Result<ChatRelay, Failure> => {
    translation ??= translate(options);
    return translation;
  };
  const wrong = options.passthrough === null ? failureOf(translated()) : checkChatBody(options.body);
  if (wrong) return err(wrong);
  const fits = (choice: Choice): boolean => !options.collect && options.passthrough === choice.wire.dialect;
  const relayOf = (choice: Choice): Result<ChatRelay, Failure> => (fits(choice) ? ok(through) : translated());
  /** `plan` came first and failed when the body cannot be translated. */
  const planned = (choice: Choice): ChatRelay => {
    const relay = relayOf(choice);
    return relay.ok ? relay.value : through;
  };
  /** The engine gets the client's bytes, but what it answers is read where a call may have leaked into its text. */
  const reading = (choice: Choice): ChatRelay => {
    const relay = planned(choice);
    if (relay !== through || choice.replica.toolSyntax === undefined || !options.body.has("tools")) return relay;
    const reader = translated();
    return reader.ok ? reader.value : through;
  };
  return ok({
    streaming: options.stream,
    engineStreams: options.stream || options.collect,
    plan(choice): Result<PlannedCall, Failure> {
      const relay = relayOf(choice);
      if (!relay.ok || relay.value !== through) return relay.ok ? relay.value.plan(choice) : relay;
      const call = through.plan(choice);
      return call.ok ? ok({ ...call.value, mistake: () => failureOf(translated()) }) : call;
    },
    stream: (choice): StreamRelay => reading(choice).stream(choice),
    whole: (body, choice): Result<WholeAnswer, Failure> => reading(choice).whole(body, choice),
    failBeforeStart(failure): Uint8Array {
      return new TextEncoder().encode(options.dialect.encoder(options.meta).encode({ type: "failed", failure }));
    },
  });
}

function failureOf(result: Result<unknown, Failure>): Failure | null {
  return result.ok ? null : result.error;
}

function translate(options: RelayOptions): Result<ChatRelay, Failure> {
  const body = options.translated ?? options.body.parse();
  const request: Result<ChatRequest, Failure> = options.dialect.parseRequest(body);
  if (!request.ok) return request;
  const { includeUsage, thinking } = request.value;
  const meta = { ...options.meta, includeUsage, omitThinking: thinking?.display === "omitted" };
  const { dialect, collect, tenant, answerAdjusted } = options;
  const ignored = dialect.ignored?.(body) ?? [];
  return ok(translatingRelay({ dialect, request: request.value, meta, collect, tenant, ignored, answerAdjusted }));
}
