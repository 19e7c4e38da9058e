import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { buildsFor, describe, type GpuBuild, type GpuCandidate, type GpuDescription } from "./gpu-builds.ts";

/** Tries each build that is installed, without a model. For a process of its own: a driver may take it down. */
export async function describeGpu(): Promise<GpuDescription> {
  const candidates: GpuCandidate[] = [];
  for (const build of buildsFor(process.platform, process.arch)) candidates.push(await tryBuild(build));
  return describe(candidates);
}

async function tryBuild(build: GpuBuild): Promise<GpuCandidate> {
  const { gpu } = build;
  if (!isInstalled(build.packageName)) return { build: gpu, installed: false, usable: false, why: "not installed" };
  try {
    const llama = await getLlama({
      gpu: gpu === "cpu" ? false : gpu,
      build: "never",
      skipDownload: true,
      progressLogs: false,
      logLevel: LlamaLogLevel.disabled,
      maxThreads: 1,
    });
    const devices = gpu === "cpu" ? [] : await llama.getGpuDeviceNames();
    await llama.dispose();
    if (gpu === "cpu") return { build: gpu, installed: true, usable: true, why: "the CPU build works" };
    return devices.length > 0
      ? { build: gpu, installed: true, usable: true, why: `finds ${devices.join(", ")}` }
      : { build: gpu, installed: true, usable: false, why: "is installed and finds no device" };
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    return { build: gpu, installed: true, usable: false, why: `is installed and does not start: ${line}` };
  }
}

/** The project's lockfile puts empty packages in the places of the large ones. */
function isInstalled(packageName: string): boolean {
  const modules = join(fileURLToPath(import.meta.resolve("node-llama-cpp")), "../../..");
  try {
    const file = join(modules, "@node-llama-cpp", packageName, "package.json");
    return (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === `@node-llama-cpp/${packageName}`;
  } catch {
    return false;
  }
}
