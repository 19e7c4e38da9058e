import type { Gpu, Inventory } from "../core/node.ts";
import type { Result } from "../core/result.ts";
import type { GpuDescription } from "../engine/embedded/gpu-builds.ts";
import type { ModelChoice } from "./choose-model.ts";
import { engineFindings, type EngineFacts } from "./doctor-engines.ts";

/** One line of `flock doctor`. */
export interface Finding {
  readonly check: "machine" | "memory" | "engine" | "gpu" | "model" | "disk" | "data directory";
  readonly ok: boolean;
  readonly message: string;
  /** The command or step that helps; null where nothing needs it. */
  readonly mend: string | null;
}

/** What was found out about this machine; see `doctor-facts.ts`. */
export interface DoctorFacts {
  readonly inventory: Inventory;
  /** What the engine's own program says; the error is one line. */
  readonly gpu: Result<GpuDescription, string>;
  /** How a GPU build is put in place here. */
  readonly gpuCommand: string;
  readonly model: ModelChoice;
  /** Null: the file is not there. */
  readonly modelBytes: number | null;
  readonly modelsDir: string;
  /** Null: it could not be asked. */
  readonly diskFreeBytes: number | null;
  readonly dataDir: string;
  /** Engines that somebody else may have started. */
  readonly engines: EngineFacts;
  readonly dataDirState: "writable" | "missing" | "not writable" | "open to others";
}

const LEAST_MEMORY_BYTES = 2e9;
const LEAST_DISK_BYTES = 5e9;

/** Pure: facts in, findings out, in the order in which a person should look at them. */
export function diagnose(facts: DoctorFacts): Finding[] {
  return [
    machine(facts),
    dataDirectory(facts),
    disk(facts),
    memory(facts),
    engine(facts),
    ...engineFindings(facts.engines),
    gpu(facts),
    model(facts),
  ];
}

function machine({ inventory }: DoctorFacts): Finding {
  const { os, arch, cpuModel, physicalCores, memoryBytes } = inventory;
  const supported = (os === "linux" || os === "darwin") && (arch === "x64" || arch === "arm64");
  const what = `${os} ${arch}, ${cpuModel}, ${physicalCores} cores, ${gigabytes(memoryBytes)} of memory`;
  return {
    check: "machine",
    ok: supported,
    message: what,
    mend: supported ? null : "use Linux or macOS, x64 or arm64",
  };
}

function dataDirectory({ dataDir, dataDirState: state }: DoctorFacts): Finding {
  const check = "data directory";
  switch (state) {
    case "writable":
      return { check, ok: true, message: dataDir, mend: null };
    case "missing":
      return { check, ok: true, message: `${dataDir} is not there yet`, mend: null };
    case "not writable":
      return { check, ok: false, message: `${dataDir} cannot be written`, mend: `chown -R "$(id -un)" '${dataDir}'` };
    case "open to others":
      return { check, ok: false, message: `${dataDir} can be read by others`, mend: `chmod 700 '${dataDir}'` };
  }
}

function disk({ diskFreeBytes: free, modelsDir }: DoctorFacts): Finding {
  if (free === null) return { check: "disk", ok: true, message: "its free space is not known", mend: null };
  const ok = free >= LEAST_DISK_BYTES;
  const mend = ok ? null : `make room, or set another models.dir: flock config edit`;
  return { check: "disk", ok, message: `${gigabytes(free)} are free for models in ${modelsDir}`, mend };
}

function memory({ inventory, modelBytes }: DoctorFacts): Finding {
  const { freeMemoryBytes: free } = inventory;
  const message = `${gigabytes(free)} of ${gigabytes(inventory.memoryBytes)} are free`;
  if (free < LEAST_MEMORY_BYTES) return { check: "memory", ok: false, message, mend: "end what takes the most memory" };
  const vram = inventory.gpus.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0);
  if (modelBytes !== null && modelBytes > free + vram) {
    const need = `${message}, the model's file alone has ${gigabytes(modelBytes)}`;
    return { check: "memory", ok: false, message: need, mend: "use a smaller quantisation" };
  }
  return { check: "memory", ok: true, message, mend: null };
}

function engine({ gpu: described }: DoctorFacts): Finding {
  if (!described.ok) {
    const message = `the embedded engine does not start: ${described.error}`;
    return { check: "engine", ok: false, message, mend: "install Flock again" };
  }
  const { chosen, reason } = described.value;
  if (chosen === null) {
    return { check: "engine", ok: false, message: reason, mend: "run llama-server and set FLOCK_ENGINE=llamacpp" };
  }
  return {
    check: "engine",
    ok: true,
    message: `the embedded engine works, on ${named(chosen)}: ${reason}`,
    mend: null,
  };
}

function gpu({ gpu: described, inventory, gpuCommand }: DoctorFacts): Finding {
  const { gpus } = inventory;
  const there = gpus.map(describeGpu).join(", ");
  const chosen = described.ok ? described.value.chosen : null;
  if (gpus.length === 0) {
    const message =
      chosen === null || chosen === "cpu" ? "none was found" : `none was found, the engine uses ${named(chosen)}`;
    return { check: "gpu", ok: true, message, mend: null };
  }
  if (chosen !== null && chosen !== "cpu") {
    return { check: "gpu", ok: true, message: `${there}: used by way of ${named(chosen)}`, mend: null };
  }
  const candidates = described.ok ? described.value.candidates : [];
  const broken = candidates.find(({ build, installed, usable }) => build !== "cpu" && installed && !usable);
  if (broken) {
    const message = `${there}: not used, the ${named(broken.build)} build ${broken.why}`;
    return { check: "gpu", ok: false, message, mend: "install the GPU's driver, then start Flock again" };
  }
  return { check: "gpu", ok: false, message: `${there}: not used, no GPU build is installed`, mend: gpuCommand };
}

function model({ model: choice, modelBytes, modelsDir, engines }: DoctorFacts): Finding {
  if (modelBytes === null) {
    return { check: "model", ok: false, message: `${choice.path} is not there`, mend: "install Flock again" };
  }
  if (choice.problem !== null) return { check: "model", ok: false, message: choice.problem, mend: "flock model ls" };
  const serves = engines.lookedFor.find(({ answer }) => answer.ok && answer.value.models.length > 0);
  if (choice.bundled && serves) {
    const message = `${serves.kind} brings its own; ${choice.modelId}, the smoke-test model, steps back`;
    return { check: "model", ok: true, message, mend: null };
  }
  if (choice.bundled) {
    const message = `only ${choice.modelId}, the smoke-test model, is here`;
    return { check: "model", ok: false, message, mend: `put a .gguf file into ${modelsDir}` };
  }
  return { check: "model", ok: true, message: `${choice.modelId} (${gigabytes(modelBytes)})`, mend: null };
}

function describeGpu({ name, memoryBytes }: Gpu): string {
  return memoryBytes === null ? name : `${name} with ${gigabytes(memoryBytes)}`;
}

function named(build: string): string {
  return { cuda: "CUDA", vulkan: "Vulkan", metal: "Metal" }[build] ?? "the CPU";
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
