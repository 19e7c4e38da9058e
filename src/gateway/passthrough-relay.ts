import { asBuffer } from "../core/as-buffer.ts";
import type { ChunkSpans } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import { toErrorObject } from "../dialect/failure-shape.ts";
import { mendBody } from "../dialect/openai-chat/mend.ts";
import { StreamWatch } from "../dialect/openai-chat/tail.ts";
import { toUsage } from "../dialect/openai-chat/usage.ts";
import { findUsage } from "../dialect/openai-chat/usage-bytes.ts";
import { modelRewriter } from "../dialect/rewrite-model.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import { splice } from "../wire/splice.ts";
import type { Choice } from "./ports.ts";
import { nameToAnswerBy, wrongModelIn } from "./wrong-model.ts";
import type { ChatRelay, Mistaken, PlannedCall, RelayProgress, StreamRelay, WholeAnswer } from "./relay.ts";

const text = new TextEncoder();

export interface PassthroughOptions {
  readonly body: ScannedBody;
  readonly requestedModel: string;
  readonly stream: boolean;
  /** Who asks; see `EngineWire.plan`. */
  readonly tenant: string;
}

/**
 * Client and engine both speak OpenAI's chat dialect: the client's bytes go to the engine but for the edits that policy
 * needs (the engine's name for the model; usage is always asked for), the engine's bytes come back but for the model's
 * name, and for the usage chunk where nobody asked for it.
 */
export class PassthroughRelay implements ChatRelay {
  readonly #options: PassthroughOptions;
  readonly #client: Mistaken;
  readonly #wantsUsage: boolean;

  constructor(options: PassthroughOptions, client: Mistaken) {
    this.#options = options;
    this.#client = client;
    this.#wantsUsage = options.stream && asksForUsage(options.body);
  }

  plan({ replica, wire }: Choice): Result<PlannedCall, Failure> {
    const { body, requestedModel, stream, tenant } = this.#options;
    const { set, remove, adjusted } = mendBody(body, replica.contextTokens);
    if (!wire.echoesModel && replica.engineModel !== requestedModel) set.model = JSON.stringify(replica.engineModel);
    if (stream && !this.#wantsUsage) set.stream_options = withUsage(body);
    const edits = wire.amend?.(body, replica, tenant);
    if (edits?.ok === false) return edits;
    if (edits !== undefined) {
      Object.assign(set, edits.value.set);
      remove.push(...edits.value.remove);
      adjusted.push(...edits.value.adjusted);
    }
    return ok({ path: wire.chatPath, body: splice(body, { set, remove }), adjusted, client: this.#client });
  }

  stream(choice: Choice): StreamRelay {
    const { requestedModel } = this.#options;
    const engineModel = choice.wire.echoesModel ? requestedModel : choice.replica.engineModel;
    return new PassedStream(this.#wantsUsage, requestedModel, engineModel, nameToAnswerBy(choice));
  }

  whole(answer: Uint8Array, choice: Choice): Result<WholeAnswer, Failure> {
    const { requestedModel } = this.#options;
    const bytes = asBuffer(answer);
    const { replica, wire } = choice;
    const usage = readUsage(bytes);
    if (!usage.ok) return usage;
    const expected = nameToAnswerBy(choice);
    const wrong = expected === null ? null : wrongModelIn(bytes, expected);
    if (wrong !== null) return err(wrong);
    const rename = modelRewriter(wire.echoesModel ? requestedModel : replica.engineModel, requestedModel);
    return ok({ body: rename(bytes), usage: usage.value });
  }
}

function asksForUsage(body: ScannedBody): boolean {
  const options = body.json("stream_options");
  return typeof options === "object" && options !== null && !Array.isArray(options) && options.include_usage === true;
}

/** The client's other stream options stay as they are. */
function withUsage(body: ScannedBody): string {
  const options = body.json("stream_options");
  const rest = typeof options === "object" && options !== null && !Array.isArray(options) ? options : {};
  return JSON.stringify({ ...rest, include_usage: true });
}

/** An answer without choices is none. */
function readUsage(bytes: Buffer): Result<TokenUsage | null, Failure> {
  const found = findUsage(bytes);
  return found === null || found.hasChoices === null ? unreadable() : ok(found.usage);
}

function unreadable(): Result<never, Failure> {
  return err({ kind: "engine_failed", engine: "engine", cause: "its answer could not be read" });
}

function errorFrame(failure: Failure): Uint8Array {
  return text.encode(`data: ${JSON.stringify(toErrorObject("openai", failure, null))}\n\n`);
}

class PassedStream implements StreamRelay, RelayProgress {
  readonly #watch: StreamWatch;
  readonly #renames: boolean;
  readonly #rename: (bytes: Uint8Array) => Uint8Array;
  readonly #wantsUsage: boolean;
  readonly #model: string;
  #first: Uint8Array | null = null;
  #cut = false;
  failure: Failure | null = null;

  /** The name that its answer must carry; null: any. */
  readonly #expected: string | null;

  constructor(wantsUsage: boolean, model: string, engineModel: string, expected: string | null) {
    this.#expected = expected;
    this.#watch = new StreamWatch({ keepUsage: wantsUsage });
    this.#rename = modelRewriter(engineModel, model);
    this.#renames = engineModel !== model;
    this.#wantsUsage = wantsUsage;
    this.#model = model;
  }

  get progress(): RelayProgress {
    return this;
  }

  get contentSeen(): boolean {
    return this.#watch.contentFrames > 0;
  }

  get outputTokens(): number {
    return this.#watch.contentFrames;
  }

  get usage(): TokenUsage | null {
    return this.#watch.usage;
  }

  get finished(): boolean {
    return this.#cut || this.#watch.done;
  }

  push(chunk: Uint8Array): Uint8Array | null {
    const bytes = this.#watch.push(chunk);
    if (this.#watch.error !== null) this.failure = broken(this.#watch.error);
    if (bytes.length === 0) return null;
    if (this.#first === null) {
      this.#first = bytes;
      if (this.#expected !== null) this.failure ??= wrongModelIn(bytes, this.#expected);
    }
    return this.#rename(bytes);
  }

  pass(bytes: Uint8Array, spans: ChunkSpans): boolean {
    return !this.#renames && this.#first !== null && this.#watch.pass(bytes, spans);
  }

  /** An engine that leaves `[DONE]` out after its finish reason has answered all the same. */
  end(): Uint8Array | null {
    if (this.finished || this.failure) return null;
    if (this.#watch.complete) {
      this.#cut = true;
      return text.encode("data: [DONE]\n\n");
    }
    this.failure = broken("its stream ended early");
    return null;
  }

  fail(failure: Failure): Uint8Array {
    return errorFrame(failure);
  }

  cutShort(): Uint8Array {
    this.#cut = true;
    const head = { ...this.#identity(), object: "chat.completion.chunk", model: this.#model };
    const choices = [{ index: 0, delta: {}, finish_reason: "length" }];
    const frames = [JSON.stringify({ ...head, choices })];
    if (this.#wantsUsage) {
      const usage = this.usage ?? { promptTokens: 0, completionTokens: this.outputTokens, cachedTokens: 0 };
      frames.push(JSON.stringify({ ...head, choices: [], usage: toUsage(usage) }));
    }
    return text.encode(`${frames.map((frame) => `data: ${frame}\n\n`).join("")}data: [DONE]\n\n`);
  }

  /** All chunks of a stream carry one id: the first one's. */
  #identity(): { id: string; created: number } {
    const line = new TextDecoder().decode(this.#first ?? new Uint8Array()).match(/^data:\s*(\{.*\})\s*$/m)?.[1];
    try {
      const { id, created } = JSON.parse(line ?? "{}") as { id?: unknown; created?: unknown };
      return { id: typeof id === "string" ? id : "chatcmpl-cut", created: Number(created ?? 0) };
    } catch {
      return { id: "chatcmpl-cut", created: 0 };
    }
  }
}

function broken(cause: string): Failure {
  return { kind: "engine_failed", engine: "engine", cause };
}
