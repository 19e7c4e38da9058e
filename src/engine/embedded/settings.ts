import { basename } from "node:path";
import { err, ok, type Result } from "../../core/result.ts";

/** What the agent tells the engine's child process; see `embeddedLaunch` in manage.ts for the other side. */
export interface EngineSettings {
  readonly modelPath: string;
  readonly modelId: string;
  /** Bearer token that every path but /health asks for. */
  readonly secret: string;
  /** 0: any free port. */
  readonly port: number;
  /** Written once the engine listens; null: not wanted. */
  readonly readyFile: string | null;
  /** Tokens of one sequence; 0: as fits. */
  readonly contextTokens: number;
  /** Sequences at once; 0: as fits. */
  readonly slots: number;
  readonly threads: number;
  readonly gpu: "auto" | "off";
  /** What the model may take; null: what is free. */
  readonly freeBytes: number | null;
}

const MAX_SLOTS = 256;

/** Takes the secret out of `env`, so that nothing that this process starts or dumps can carry it. */
export function readSettings(
  args: readonly string[],
  env: Record<string, string | undefined>,
): Result<EngineSettings, string> {
  const secret = env["FLOCK_ENGINE_SECRET"] ?? "";
  delete env["FLOCK_ENGINE_SECRET"];
  const [modelPath] = args;
  if (!modelPath) return err("usage: bun child.ts <model.gguf>");
  if (!secret) return err("FLOCK_ENGINE_SECRET is not set: an engine without a secret would answer every local user");
  const numbers = {
    port: wholeNumber(env["FLOCK_ENGINE_PORT"], 0, 0, 65_535),
    contextTokens: wholeNumber(env["FLOCK_ENGINE_CONTEXT"], 0, 0, 2 ** 31 - 1),
    slots: wholeNumber(env["FLOCK_ENGINE_SLOTS"], 1, 0, MAX_SLOTS),
    threads: wholeNumber(env["FLOCK_ENGINE_THREADS"], 1, 1, 1024),
    freeBytes: wholeNumber(env["FLOCK_ENGINE_FREE_BYTES"], 0, 0, Number.MAX_SAFE_INTEGER),
  };
  const { port, contextTokens, slots, threads, freeBytes } = numbers;
  if (port === null) return err("FLOCK_ENGINE_PORT is not a port number");
  if (contextTokens === null) return err("FLOCK_ENGINE_CONTEXT is not a number of tokens");
  if (slots === null) return err(`FLOCK_ENGINE_SLOTS is not a number from 0 to ${MAX_SLOTS}`);
  if (freeBytes === null) return err("FLOCK_ENGINE_FREE_BYTES is not a number of bytes");
  if (threads === null) return err("FLOCK_ENGINE_THREADS is not a number from 1 to 1024");
  const gpu = env["FLOCK_ENGINE_GPU"] || "auto";
  if (gpu !== "auto" && gpu !== "off") return err(`FLOCK_ENGINE_GPU is "${gpu}", not auto or off`);
  return ok({
    modelPath,
    modelId: env["FLOCK_ENGINE_MODEL_ID"] || basename(modelPath, ".gguf"),
    secret,
    port,
    readyFile: env["FLOCK_ENGINE_READY_FILE"] || null,
    contextTokens,
    slots,
    threads,
    gpu,
    freeBytes: freeBytes === 0 ? null : freeBytes,
  });
}

function wholeNumber(text: string | undefined, absent: number, least: number, most: number): number | null {
  if (text === undefined || text === "") return absent;
  const value = Number(text);
  return /^\d+$/.test(text) && value >= least && value <= most ? value : null;
}
