import { z } from "zod";

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
  /** What runs the embedded engine's child: executable first, then what comes before the model. */
  childCommand: z.array(z.string()).min(1),
  /** The child's whole environment but for its settings. Keep it to what an engine needs: a change replaces the agent. */
  childEnv: z.record(z.string(), z.string()),
});
export type AgentOptions = z.infer<typeof agentOptions>;
