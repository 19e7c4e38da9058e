import { accessSync, constants, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { err, ok, type Result } from "../core/result.ts";
import type { GpuDescription } from "../engine/embedded/gpu-builds.ts";
import type { AttachedOptions } from "./attached-managers.ts";
import { chooseModel } from "./choose-model.ts";
import { lookForEngines } from "./doctor-engines.ts";
import type { DoctorFacts } from "./doctor.ts";
import { readInventory } from "./inventory.ts";
import { isFile, listModelFiles } from "./model-files.ts";

export interface DoctorOptions {
  readonly dataDir: string;
  readonly modelsDir: string;
  readonly bundledModel: string;
  /** `router.default_model`. */
  readonly defaultModel: string;
  /** What runs the embedded engine's child, without a model, and its environment. */
  readonly childCommand: readonly string[];
  readonly childEnv: Readonly<Record<string, string>>;
  readonly gpuCommand: string;
  readonly attached: AttachedOptions;
}

/** GPU libraries take seconds to load where a driver sleeps. */
const DESCRIBE_TIMEOUT_MS = 30_000;

/** Looks at this machine; starts the engine's program without a model, and changes nothing. */
export async function doctorFacts(options: DoctorOptions, signal: AbortSignal): Promise<DoctorFacts> {
  const { dataDir, modelsDir, bundledModel, defaultModel: wanted } = options;
  const files = listModelFiles(modelsDir);
  const model = chooseModel({ wanted, modelsDir, bundledModel, files, cwd: process.cwd(), isFile });
  const [inventory, gpu, diskFreeBytes, engines] = await Promise.all([
    readInventory(signal),
    askEngine(options, signal),
    freeOn(modelsDir),
    lookForEngines(options.attached, signal),
  ]);
  return {
    inventory,
    gpu,
    gpuCommand: options.gpuCommand,
    model,
    modelBytes: statSync(model.path, { throwIfNoEntry: false })?.size ?? null,
    modelsDir,
    diskFreeBytes,
    engines,
    dataDir,
    dataDirState: stateOf(dataDir),
  };
}

async function askEngine(options: DoctorOptions, signal: AbortSignal): Promise<Result<GpuDescription, string>> {
  try {
    const child = Bun.spawn([...options.childCommand, "--describe-gpu"], {
      env: { ...options.childEnv },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      signal: AbortSignal.any([signal, AbortSignal.timeout(DESCRIBE_TIMEOUT_MS)]),
      killSignal: "SIGKILL",
    });
    const [said, complaint, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (code !== 0) return err(complaint.trim().split("\n").at(-1) || `it ended with exit code ${code}`);
    return ok(JSON.parse(said) as GpuDescription);
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

/** Of the nearest folder that is there. */
async function freeOn(path: string): Promise<number | null> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch {
      if (at === dirname(at)) return null;
    }
  }
}

function stateOf(path: string): DoctorFacts["dataDirState"] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return "missing";
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return "not writable";
  }
  return (found.mode & 0o077) === 0 ? "writable" : "open to others";
}
