import { z } from "zod";

const port = z.number().int().min(1).max(65_535);
const endpoint = z.strictObject({ url: z.string(), secret: z.string() });

/** All that an agent is told, as one JSON value on its standard input: secrets never stand in a command line. */
export const agentOptions = z.strictObject({
  dataDir: z.string().startsWith("/"),
  node: z.string().min(1).default("local"),
  modelsDir: z.string(),
  bundledModel: z.string(),
  /** `router.default_model`; "": pick one. */
  defaultModel: z.string().default(""),
  enginePreferred: z.enum(["auto", "embedded", "llamacpp", "ollama", "vllm", "mlx"]).default("auto"),
  /** Where engines that a person started may be; url "": that kind is not looked for. */
  endpoints: z.strictObject({ ollama: endpoint, vllm: endpoint, mlx: endpoint, llamacpp: endpoint }),
  /** Where this machine's Flock itself listens: an engine is never looked for there. */
  ownPorts: z.array(z.number().int()),
  ollama: z.strictObject({
    /** 0: chosen to fit. */
    contextTokens: z.number().int().min(0),
    slots: z.number().int().min(1),
    /** "": as Ollama is set up. */
    keepAlive: z.string(),
  }),
  /** `model` "": the one that it lists. */
  mlx: z.strictObject({ model: z.string(), slots: z.number().int().min(1), contextTokens: z.number().int().min(0) }),
  /** 0: as fits. */
  slots: z.number().int().min(0),
  /** 0: as fits, at most the model's own. */
  contextTokens: z.number().int().min(0),
  /** 0: physical cores less one, at least one. */
  threads: z.number().int().min(0),
  gpu: z.enum(["auto", "off"]),
  /** What Flock may start itself when the wanted engine does not run. */
  starts: z.strictObject({
    /** Kinds whose endpoint somebody named: they are waited for there, and not started. */
    elsewhere: z.array(z.string()),
    /** Directory of llama.cpp's programs, and Ollama's program; "": looked for. */
    llamaBinDir: z.string(),
    ollamaBin: z.string(),
    ports: z.strictObject({ first: port, last: port }),
    /** Where releases of llama.cpp are asked for. */
    releaseUrl: z.string(),
    /** Where the catalogue says that the default model's file is from. */
    source: z.strictObject({ repo: z.string(), file: z.string().nullable() }).nullable(),
    /** What the catalogue calls the default model for vLLM and MLX-LM. */
    repositories: z.strictObject({ vllm: z.string().nullable(), mlx: z.string().nullable() }),
  }),
  /** What runs the embedded engine's child: executable first, then what comes before the model. */
  childCommand: z.array(z.string()).min(1),
  /** The child's whole environment but for its settings. Keep it to what an engine needs: a change replaces the agent. */
  childEnv: z.record(z.string(), z.string()),
});
export type AgentOptions = z.infer<typeof agentOptions>;
