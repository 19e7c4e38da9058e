import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Gpu } from "../core/node.ts";
import { askProgram } from "./ask-program.ts";

/** Without persistence mode the driver may need seconds to wake up; a broken one never answers. */
const NVIDIA_TIMEOUT_MS = 3_000;
/** Under WSL the tool is not on the PATH. */
const NVIDIA_IN_WSL = "/usr/lib/wsl/lib/nvidia-smi";
const DRM = "/sys/class/drm";
const MIB = 1024 * 1024;

/** All GPUs of this machine. A missing tool or driver is no failure: then there are fewer. */
export async function readGpus(signal: AbortSignal): Promise<Gpu[]> {
  if (process.platform === "darwin") return await readApple(signal);
  const nvidia = await readNvidia(signal);
  return [...nvidia, ...readAmd(DRM)];
}

async function readNvidia(signal: AbortSignal): Promise<Gpu[]> {
  const tool = Bun.which("nvidia-smi") ?? (existsSync(NVIDIA_IN_WSL) ? NVIDIA_IN_WSL : null);
  if (tool === null) return [];
  const query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"];
  return parseNvidiaSmi((await askProgram([tool, ...query], NVIDIA_TIMEOUT_MS, signal)) ?? "");
}

/** Lines of `name, MiB, driver`. Unified memory (GB10, Jetson) reads `[N/A]` there: unknown, not zero. */
export function parseNvidiaSmi(csv: string): Gpu[] {
  return csv
    .split("\n")
    .map((line) => line.split(",").map((field) => field.trim()))
    .flatMap(([name, memory, driver]): Gpu[] => {
      if (name === undefined || name === "" || memory === undefined || driver === undefined) return [];
      return [
        {
          vendor: "nvidia",
          name,
          memoryBytes: /^\d+$/.test(memory) ? Number(memory) * MIB : null,
          driver: /^[\d.]+$/.test(driver) ? driver : null,
        },
      ];
    });
}

/** By sysfs alone: AMD's tools need not be installed. `drm` is `/sys/class/drm`. */
export function readAmd(drm: string): Gpu[] {
  const cards = list(drm).filter((name) => /^card\d+$/.test(name));
  return cards.flatMap((card): Gpu[] => {
    const device = join(drm, card, "device");
    if (text(join(device, "vendor")) !== "0x1002") return [];
    const vramBytes = Number(text(join(device, "mem_info_vram_total")) ?? Number.NaN);
    const id = text(join(device, "device"));
    return [
      {
        vendor: "amd",
        name: text(join(device, "product_name")) ?? `AMD GPU${id === null ? "" : ` ${id}`}`,
        memoryBytes: Number.isFinite(vramBytes) && vramBytes > 0 ? vramBytes : null,
        driver: "amdgpu",
      },
    ];
  });
}

async function readApple(signal: AbortSignal): Promise<Gpu[]> {
  const brand = await askProgram(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], NVIDIA_TIMEOUT_MS, signal);
  const gpu = toAppleGpu(process.arch, brand ?? "");
  return gpu === null ? [] : [gpu];
}

/** Apple Silicon's GPU shares the machine's memory: giving it a size of its own would count the memory twice. */
export function toAppleGpu(arch: string, brand: string): Gpu | null {
  if (arch !== "arm64") return null;
  return { vendor: "apple", name: brand.trim() || "Apple Silicon", memoryBytes: null, driver: "Metal" };
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function text(path: string): string | null {
  try {
    const value = readFileSync(path, "utf8").trim();
    return value === "" ? null : value;
  } catch {
    return null;
  }
}
