import type { ChatEvent, StreamDecoder } from "../core/chat-event.ts";
import type { ChatRequest, JsonObject, JsonValue } from "../core/chat-request.ts";
import type { CompletionRequest } from "../core/completion-request.ts";
import type { EmbeddingRequest, EmbeddingVectors } from "../core/embedding-request.ts";
import type { Failure } from "../core/failure.ts";
import type { EngineKind, ModelAbilities, Replica, ReplicaLoad, ToolSyntax } from "../core/replica.ts";
import type { Result } from "../core/result.ts";

/** The wire format that an engine speaks. Where it equals the client's, the gateway passes bytes through. */
export type WireDialect = "openai-chat" | "ollama-chat";

/** One HTTP call to an engine. Paths only: the link knows where the engine is, and adds its secret. */
export interface EngineCall {
  readonly path: string;
  readonly body: string;
  /** What was changed of the request, each in a word or two, for `x-flock-adjusted`. */
  readonly adjusted?: readonly string[];
  /** How the answer of this very call is read, where it differs from the wire's own way. */
  readonly reader?: AnswerReader;
}

export interface AnswerReader {
  /** A fresh parser for a streamed answer. */
  decode(): StreamDecoder;
  /** The events of an answer that was not streamed. `body` is the whole text of a 2xx answer. */
  readAnswer(body: string): ChatEvent[];
}

/** The top-level members of a client's body, as they were sent. */
export interface BodyFields {
  /** The value's own JSON text; undefined when absent. */
  raw(name: string): string | undefined;
  json(name: string): JsonValue | undefined;
  /** Whether the value's JSON text holds this; cheap. A key's quotes are part of it: inside of texts they are escaped. */
  includes(name: string, text: string): boolean;
}

/** What must be changed of a client's bytes before they are passed through. */
export interface BodyEdits {
  /** JSON text by member: replaces, or adds. */
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
  readonly adjusted: readonly string[];
}

/** How an engine goes on with a text as it is: no template, no roles. One choice at a time. */
export interface CompletionWire {
  /**
   * `extra`: the client's other fields, for an engine that speaks their dialect. What the engine cannot do (a prompt of
   * token numbers, a `suffix`) is refused here by name.
   */
  plan(request: CompletionRequest, extra: JsonObject, replica: Replica, tenant: string): Result<EngineCall, Failure>;
  /** A fresh parser for the streamed answer to `request`: calls that fill a gap may be answered differently. */
  decode(request: CompletionRequest): StreamDecoder;
}

/** How an engine without an OpenAI-shaped call makes vectors. */
export interface EmbeddingWire {
  plan(request: EmbeddingRequest, replica: Replica): Result<EngineCall, Failure>;
  /** `body` is the whole text of a 2xx answer; one vector for each input, in their order. */
  read(body: string, request: EmbeddingRequest): Result<EmbeddingVectors, Failure>;
}

/** The gateway's half of an engine: pure, no I/O. What is optional and absent, the engine cannot do. */
export interface EngineWire extends AnswerReader {
  readonly kind: EngineKind;
  readonly dialect: WireDialect;
  /** Path of this dialect's chat call; passthrough posts the client's edited bytes here. */
  readonly chatPath: string;
  /** Path of an OpenAI-shaped embeddings call; null: the engine has none. */
  readonly embeddingsPath: string | null;
  /** Instead of `embeddingsPath`. */
  readonly embeddings?: EmbeddingWire;
  /** True where the engine shortens vectors itself (`dimensions`), or refuses to; else that is done or refused here. */
  readonly shortensVectors?: boolean;
  readonly completions?: CompletionWire;
  /** Path of a call in the shape of Jina, Cohere and llama-server: `model`, `query`, `documents`. */
  readonly rerankPath?: string;
  /** Paths of OpenAI-shaped audio calls: a multipart form in, and JSON in. */
  readonly transcriptionsPath?: string;
  readonly speechPath?: string;
  /** Path of the call that counts a chat's prompt exactly (`{"input_tokens": n}` for a chat body); null: there is none. */
  readonly countPath: string | null;
  /** The count in such an answer, where it stands elsewhere; null: it is not there. */
  readCount?(answer: unknown): number | null;
  /** True when the answer carries back the `model` of the request, so that it need not be rewritten either way. */
  readonly echoesModel: boolean;
  /** Its answers carry the name of the one model that it has loaded, whatever was asked: another name is another model. */
  readonly namesItsModel?: boolean;
  /** `tenant` names who asks, for engines that can keep the caches of tenants apart; it is no secret, and no name. */
  plan(request: ChatRequest, replica: Replica, tenant: string): Result<EngineCall, Failure>;
  /** The same for a body that is passed through. Absent: nothing but the model's name is changed. */
  amend?(body: BodyFields, replica: Replica, tenant: string): Result<BodyEdits, Failure>;
  /** What a non-2xx answer means. */
  readError(status: number, body: string, replica: Replica): Failure;
}

/** How to start an engine. The supervisor spawns it; secrets go through `env`, never `args`. */
export interface LaunchSpec {
  /** Stable id on the node, a file-name-safe word: it names the log and the state file. */
  readonly id: string;
  readonly kind: EngineKind;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** How long it may take from spawn to ready. */
  readonly readyTimeoutMs: number;
  /** Absent: the child says where it listens, as Flock's own does (`FLOCK_ENGINE_READY_FILE`). */
  readonly listens?: Listens;
}

/**
 * An engine that is told where to listen. At each start `{port}` in `args` and in values of `env` becomes the port, and
 * `{secret}` in values of `env` a new secret; in `args` a secret would be for everyone to read.
 */
export interface Listens {
  /** A free port of these is taken at each start; one, where others must find it. */
  readonly ports: PortRange;
  /** Answers 200 without a secret once requests may come. */
  readonly healthPath: string;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface Endpoint {
  /** `http://127.0.0.1:8089`, no trailing slash. */
  readonly url: string;
  /** Bearer token, "" for none. */
  readonly secret: string;
}

export interface ServedModel {
  /** See `Replica`. */
  readonly toolSyntax?: ToolSyntax;
  readonly model: string;
  readonly engineModel: string;
  readonly contextTokens: number;
  readonly slots: number;
  readonly abilities: ModelAbilities;
  readonly smokeTest: boolean;
  /** The model that this one is an adapter of. */
  readonly parent?: string;
  readonly lora?: NonNullable<Replica["lora"]>;
  readonly keepAlive?: string | number;
  readonly load?: ReplicaLoad;
}

export interface EngineInfo {
  readonly version: string;
  /** What a person should mend though it runs, with the command. */
  readonly advice?: string;
  /** What it computes on, e.g. `CUDA: NVIDIA GeForce RTX 4090`; null: the CPU, or not told. */
  readonly gpu: string | null;
  readonly models: readonly ServedModel[];
}

/** How far a download is. `total` 0: not known. */
export interface PullProgress {
  readonly status: string;
  readonly completedBytes: number;
  readonly totalBytes: number;
}

/** The agent's half of an engine: finds it and asks it. What is absent, the engine cannot do. */
export interface EngineManager {
  readonly kind: EngineKind;
  /** The command with which a person starts one, for errors. */
  readonly startCommand: string;
  /** Puts a model into a running engine that has none; absent: only a restart does. */
  readonly pullCommand?: string;
  /** Asks a running engine what it is. A 200 from something else is a failure, not an engine. */
  probe(at: Endpoint, signal: AbortSignal): Promise<Result<EngineInfo, Failure>>;
  /** Brings one of its models into memory, and keeps it there. */
  load?(at: Endpoint, engineModel: string, signal: AbortSignal): Promise<Result<void, Failure>>;
  unload?(at: Endpoint, engineModel: string, signal: AbortSignal): Promise<Result<void, Failure>>;
  /** Downloads. Aborting keeps what came so far, and another pull goes on from there. */
  pull?(
    at: Endpoint,
    engineModel: string,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<Result<void, Failure>>;
  /** Deletes it from the engine's disk. */
  remove?(at: Endpoint, engineModel: string, signal: AbortSignal): Promise<Result<void, Failure>>;
}
