export type EngineKind = "embedded" | "llamacpp" | "ollama" | "vllm" | "mlx";

/** What a loaded model can do; requests that need more are refused by name. */
export interface ModelAbilities {
  readonly chat: boolean;
  readonly embeddings: boolean;
  readonly rerank: boolean;
  readonly tools: boolean;
  readonly images: boolean;
  readonly audio: boolean;
  readonly thinking: boolean;
}

/** One loaded copy of a model in one engine on one node. Immutable: a change is a new value with the same id. */
export interface Replica {
  /** Stable while the engine serves the model: `<node>/<engine id>/<model>`. */
  readonly id: string;
  readonly node: string;
  readonly engine: EngineKind;
  readonly engineId: string;
  /** The id that clients use. */
  readonly model: string;
  /** The name the engine knows it by. */
  readonly engineModel: string;
  /** Tokens of one sequence, prompt and answer together. */
  readonly contextTokens: number;
  /** How many sequences the engine runs at once; more wait inside it. */
  readonly slots: number;
  readonly abilities: ModelAbilities;
  /** Bundled smoke-test model: real inference, meaningless answers. */
  readonly smokeTest: boolean;
}
