import {
  bool,
  choice,
  collector,
  dsn,
  endpoint,
  integer,
  listen,
  listenOrAuto,
  number,
  path,
  portRange,
  type SettingType,
  text,
  url,
} from "./schema.ts";

/** Where a setting's default comes from when it depends on where Flock lives. */
export interface Places {
  readonly home: string;
  readonly dataDir: string;
}

interface Setting<K extends string, T> {
  readonly key: K;
  readonly type: SettingType<T>;
  readonly default: T | ((places: Places) => T);
  readonly env: string;
  /** Null: not taken as a flag, because other users of the machine can read a process's arguments. */
  readonly flag: string | null;
  /** False: never read from the file, only from the environment. */
  readonly inFile: boolean;
  readonly secret: boolean;
  readonly summary: string;
  /** Whether it has an effect in this version; a list: only these values have. */
  readonly effective: boolean | readonly string[];
}

/** Any row of the table, for code that does not care about the type of its value. */
export type AnySetting = Setting<string, unknown>;

interface Options {
  readonly env?: string;
  readonly secret?: true;
  /** An environment variable and nothing else. */
  readonly envOnly?: true;
  readonly effective?: boolean | readonly string[];
}

function setting<const K extends string, T>(
  key: K,
  type: SettingType<T>,
  fallback: NoInfer<T> | ((places: Places) => NoInfer<T>),
  summary: string,
  options: Options = {},
): Setting<K, T> {
  const hidden = options.secret === true || options.envOnly === true;
  return {
    key,
    type,
    default: fallback,
    env: options.env ?? `FLOCK_${key.replaceAll(".", "_").toUpperCase()}`,
    flag: hidden ? null : key.replaceAll(/[._]/g, "-"),
    inFile: options.envOnly !== true,
    secret: options.secret === true,
    summary,
    effective: options.effective ?? false,
  };
}

const NOW = { effective: true } as const;

/** Every setting there is: its place in the file, its variable and its flag all follow from one row here. */
export const SETTINGS = [
  setting("listen", listen, ":8080", "Address for clients; without a host it is every interface", NOW),
  setting("external_url", url, "", "URL under which clients reach Flock, for printed snippets", NOW),
  setting("data_dir", path, ({ dataDir }) => dataDir, "Directory of the database, keys, models and logs", NOW),
  setting("log_level", choice("debug", "info", "warn", "error"), "info", "How much is logged", NOW),
  setting("catalog_dir", path, "", "Directory of catalogue entries; empty: the ones that come with Flock", NOW),

  setting("storage.type", choice("sqlite", "postgres"), "sqlite", "Kind of database", NOW),
  setting("storage.dsn", dsn, ({ dataDir }) => `${dataDir}/state.db`, "Database file, or a database server's URL", NOW),
  setting("storage.models_dir", path, ({ dataDir }) => `${dataDir}/models`, "Directory of model files", NOW),

  setting("auth.require_keys", bool, true, "Ask every client for an API key; false is for loopback only", {
    env: "FLOCK_REQUIRE_KEYS",
    effective: true,
  }),

  setting(
    "engine.preferred",
    choice("auto", "embedded", "ollama", "vllm", "mlx", "llamacpp"),
    "auto",
    "Engine whose models come first",
    {
      env: "FLOCK_ENGINE",
      effective: true,
    },
  ),
  setting("engine.ollama_endpoint", endpoint, "http://127.0.0.1:11434", "Where Ollama listens; off: not used", {
    env: "FLOCK_OLLAMA_ENDPOINT",
    effective: true,
  }),
  setting("engine.ollama_context", integer(0, 1_048_576), 0, "Tokens of context on Ollama; 0: chosen to fit", NOW),
  setting(
    "engine.ollama_slots",
    integer(1, 64),
    1,
    "Answers at once of one Ollama model: its OLLAMA_NUM_PARALLEL",
    NOW,
  ),
  setting("engine.ollama_keep_alive", text, "", "How long Ollama keeps a model, e.g. 30m or -1; empty: its own", NOW),
  setting("engine.vllm_endpoint", endpoint, "http://127.0.0.1:8000", "Where vLLM listens; off: not used", {
    env: "FLOCK_VLLM_ENDPOINT",
    effective: true,
  }),
  setting("engine.vllm_api_key", text, "", "Bearer token for vLLM", {
    env: "VLLM_API_KEY",
    secret: true,
    envOnly: true,
    effective: true,
  }),
  setting("engine.mlx_endpoint", endpoint, "http://127.0.0.1:8080", "Where MLX-LM listens; off: not used", {
    env: "FLOCK_MLX_ENDPOINT",
    effective: true,
  }),
  setting("engine.mlx_model", text, "", "The model MLX-LM was started with; empty: the one that it lists", NOW),
  setting(
    "engine.mlx_context",
    integer(0, 1_048_576),
    0,
    "Tokens of context on MLX-LM; 0: as the model's files say",
    NOW,
  ),
  setting("engine.mlx_concurrency", integer(1, 64), 1, "Requests at once to MLX-LM", NOW),
  setting("engine.llamacpp_endpoint", endpoint, "http://127.0.0.1:8089", "Where llama-server listens; off: not used", {
    env: "FLOCK_LLAMACPP_ENDPOINT",
    effective: true,
  }),
  setting("engine.llamacpp_api_key", text, "", "Bearer token for llama-server", {
    env: "FLOCK_LLAMACPP_API_KEY",
    secret: true,
    effective: true,
  }),
  setting("engine.port_range", portRange, "28080-28179", "Ports on loopback for engines that Flock starts", NOW),
  setting("engine.llama_bin_dir", path, "", "Directory of llama.cpp's programs; empty: installed ones, then PATH", {
    env: "FLOCK_LLAMA_BIN_DIR",
    effective: true,
  }),
  setting("engine.ollama_bin", path, "", "Ollama's program; empty: the PATH's", {
    env: "FLOCK_OLLAMA_BIN",
    effective: true,
  }),
  setting(
    "engine.release_url",
    url,
    "https://api.github.com/repos/ggml-org/llama.cpp/releases",
    "Where `flock engine install llamacpp` asks for releases: GitHub's API, or a mirror of its answers",
    NOW,
  ),
  setting("engine.embedded_slots", integer(0, 64), 0, "Answers at once of the embedded engine; 0: chosen to fit", NOW),
  setting("engine.embedded_context", integer(0, 1_048_576), 0, "Tokens of context per answer; 0: chosen to fit", NOW),
  setting("engine.embedded_threads", integer(0, 1024), 0, "Threads; 0: the physical cores but one", NOW),
  setting("engine.embedded_gpu", choice("auto", "off"), "auto", "Whether the embedded engine may use a GPU", NOW),

  setting(
    "router.default_model",
    text,
    "",
    "Model that `auto` and unknown Claude names get; empty: picked at the start",
    {
      env: "FLOCK_DEFAULT_MODEL",
      effective: true,
    },
  ),
  setting("router.sticky_sessions", bool, true, "Keep a client's session on the replica that served it last", NOW),
  setting(
    "router.latency_fallback_p95_seconds",
    number(0, 3600),
    0,
    "Prefer a fallback while answers take this long to begin (p95 of a minute); 0: never",
    { env: "FLOCK_LATENCY_P95_SECONDS", effective: true },
  ),
  setting("router.fallback.enabled", bool, false, "Allow requests to leave for a vendor"),
  setting("router.fallback.anthropic_url", url, "https://api.anthropic.com", "Anthropic's API"),
  setting("router.fallback.anthropic_api_key", text, "", "Key for Anthropic", {
    env: "ANTHROPIC_API_KEY",
    secret: true,
    envOnly: true,
  }),
  setting("router.fallback.openai_url", url, "https://api.openai.com", "OpenAI's API"),
  setting("router.fallback.openai_api_key", text, "", "Key for OpenAI", {
    env: "OPENAI_API_KEY",
    secret: true,
    envOnly: true,
  }),
  setting("router.fallback.bedrock_region", text, "", "AWS region of Bedrock; empty: not used", {
    env: "FLOCK_BEDROCK_REGION",
  }),
  setting("router.fallback.vertex_project", text, "", "Google Cloud project of Vertex; empty: not used", {
    env: "FLOCK_VERTEX_PROJECT",
  }),
  setting("router.fallback.vertex_location", text, "us-central1", "Google Cloud location of Vertex", {
    env: "FLOCK_VERTEX_LOCATION",
  }),

  setting("responses.store", choice("memory", "disk"), "memory", "Where the Responses API keeps conversations", NOW),
  setting("usage.fsync", bool, false, "Let usage survive a power cut, not only a crash; slower", NOW),
  setting("observability.otlp_endpoint", collector, "", "OTLP/HTTP collector for traces; empty: none", {
    env: "FLOCK_OTLP_ENDPOINT",
  }),

  setting("tls.cert", path, "", "Certificate chain (PEM) to serve HTTPS with", NOW),
  setting("tls.key", path, "", "Private key (PEM) of that certificate", NOW),

  setting(
    "cluster.listen",
    listenOrAuto,
    "",
    "Address for other nodes (TLS); empty: port 8081 or the next free one, unless `listen` is loopback only",
    NOW,
  ),
  setting("cluster.discovery", bool, true, "Let `flock join` on the local network find this leader (mDNS)", NOW),
  setting("mesh.backend", choice("lan", "tailscale"), "lan", "How nodes reach each other", NOW),
  setting("mesh.auth_key", text, "", "Auth key for the mesh", { secret: true, effective: true }),
  setting("mesh.login_server", url, "", "Control server of the mesh; empty: the mesh's own", NOW),
  setting("mesh.tailnet_name", text, "", "Name of the tailnet that this machine must be in", NOW),
  setting("mesh.socket", path, "", "Where tailscaled listens for its own machine; empty: its usual place", NOW),

  setting(
    "cluster.coordinator_node",
    text,
    "",
    "Node that coordinates sharded models; empty: the one with most memory",
    {
      env: "FLOCK_COORDINATOR_NODE",
      envOnly: true,
    },
  ),
  setting("cluster.reject_bearer", bool, true, "Accepted for old set-ups: it is always on", {
    env: "FLOCK_REJECT_BEARER",
    envOnly: true,
    effective: true,
  }),
] as const;

/** Variables that are read elsewhere and are no settings: the CLI's own and the installer's. */
export const OTHER_VARIABLES: readonly string[] = [
  "FLOCK_TOKEN",
  "FLOCK_JOIN_TOKEN",
  "FLOCK_NO_COLOR",
  "FLOCK_VERSION",
  "FLOCK_INSTALL_DIR",
  "FLOCK_SKIP_ENGINE",
];

type Row = (typeof SETTINGS)[number];
export type SettingKey = Row["key"];
type Flat = { [R in Row as R["key"]]: R["type"] extends SettingType<infer T> ? T : never };
type Nest<F> = {
  readonly [
    K in keyof F & string as K extends `${infer Head}.${string}` ? Head : K
  ]: K extends `${infer Head}.${string}`
    ? Nest<{ [L in keyof F & string as L extends `${Head}.${infer Rest}` ? Rest : never]: F[L] }>
    : F[K];
};

/** All values, nested as in the file. Frozen; read once at the start. */
export type Config = Nest<Flat>;
