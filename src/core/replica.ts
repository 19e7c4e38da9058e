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
  /** Fills gaps between texts. */
  readonly insert?: boolean;
  /** Makes sound out of text. */
  readonly speech?: boolean;
}

/**
 * How a model writes that it calls a tool.
 * - `hermes`: `<tool_call>{"name": …, "arguments": …}</tool_call>` (Qwen, Hermes, many others)
 * - `xml`: `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>` (Qwen coder)
 * - `function`: `<function=name>{…}</function>` (Llama 3.1 with tools of one's own)
 * - `mistral`: `[TOOL_CALLS][{"name": …, "arguments": …}]`; `mistral-args`: `[TOOL_CALLS]name[ARGS]{…}`
 * - `harmony`: messages in channels (gpt-oss)
 * - `llama`: `{"name": …, "parameters": …}` as the whole answer, `<|python_tag|>` before it or not
 */
export type ToolSyntax = "hermes" | "xml" | "function" | "mistral" | "mistral-args" | "llama" | "harmony";

/** What an engine said of its own queue when it was last asked. */
export interface ReplicaLoad {
  readonly running: number;
  readonly waiting: number;
  /** Share of the KV cache that is taken, 0 to 1; null: not told. */
  readonly kvCacheUsage: number | null;
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
  /** The model that this one is a LoRA adapter of; absent: it is none. */
  readonly parent?: string;
  /** Of a llama-server that was started with adapters: how much of each this model's requests ask for. */
  readonly lora?: readonly { readonly id: number; readonly scale: number }[];
  /** How long the engine is asked to keep the model loaded after a request; absent: as it is set up. */
  readonly keepAlive?: string | number;
  /** How its template writes a call, where that can be told from any other text: calls that leak as text are found by it. */
  readonly toolSyntax?: ToolSyntax;
  /** Also counts what others than Flock send there; absent: the engine does not tell. */
  readonly load?: ReplicaLoad;
}
