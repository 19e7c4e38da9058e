import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import type { GpuLoad, MachineLoad } from "../core/machine-load.ts";
import type { Inventory } from "../core/node.ts";
import { readFreeMemory } from "../engine/embedded/free-memory.ts";
import { askProgram } from "./ask-program.ts";

const TOOL_TIMEOUT_MS = 2_000;
const NVIDIA_IN_WSL = "/usr/lib/wsl/lib/nvidia-smi";
const DRM = "/sys/class/drm";
const MIB = 1024 * 1024;
/** Two readings closer than this say nothing; the first one has no other to be compared with. */
const SAMPLE_MS = 200;

interface Ticks {
  readonly atMs: number;
  readonly busy: number;
  readonly all: number;
}

/** Measures between one call and the next, so that a caller who asks regularly waits for nothing. */
export class LoadMeter {
  readonly #inventory: Inventory;
  #before: Ticks | null = null;

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  async read(signal: AbortSignal): Promise<MachineLoad> {
    const gpus = this.#readGpus(signal);
    const cpu = await this.#cpu();
    return {
      cpu,
      memoryBytes: this.#inventory.memoryBytes,
      freeMemoryBytes: await readFreeMemory(signal),
      gpus: await gpus,
    };
  }

  async #cpu(): Promise<number | null> {
    this.#before ??= ticks();
    if (performance.now() - this.#before.atMs < SAMPLE_MS) await Bun.sleep(SAMPLE_MS);
    const before = this.#before;
    const now = ticks();
    this.#before = now;
    const all = now.all - before.all;
    return all <= 0 ? null : Math.min(1, Math.max(0, (now.busy - before.busy) / all));
  }

  async #readGpus(signal: AbortSignal): Promise<GpuLoad[]> {
    const kinds = new Set(this.#inventory.gpus.map(({ vendor }) => vendor));
    const nvidia = kinds.has("nvidia") ? await readNvidia(signal) : [];
    const others = this.#inventory.gpus.filter(({ vendor }) => vendor !== "nvidia" && vendor !== "amd");
    return [
      ...nvidia,
      ...(kinds.has("amd") ? readAmdLoad(DRM) : []),
      // No tool tells without the rights of root.
      ...others.map(({ name, memoryBytes }) => ({
        name,
        memoryBytes,
        busy: null,
        usedMemoryBytes: null,
        celsius: null,
      })),
    ];
  }
}

function ticks(): Ticks {
  let busy = 0;
  let all = 0;
  for (const { times } of cpus()) {
    const total = times.user + times.nice + times.sys + times.irq + times.idle;
    all += total;
    busy += total - times.idle;
  }
  return { atMs: performance.now(), busy, all };
}

async function readNvidia(signal: AbortSignal): Promise<GpuLoad[]> {
  const tool = Bun.which("nvidia-smi") ?? (existsSync(NVIDIA_IN_WSL) ? NVIDIA_IN_WSL : null);
  if (tool === null) return [];
  const query = "--query-gpu=name,utilization.gpu,memory.total,memory.used,temperature.gpu";
  const said = await askProgram([tool, query, "--format=csv,noheader,nounits"], TOOL_TIMEOUT_MS, signal);
  return parseNvidiaLoad(said ?? "");
}

/** Lines of `name, %, MiB, MiB, °C`; what a card does not tell reads `[N/A]`. */
export function parseNvidiaLoad(csv: string): GpuLoad[] {
  return csv
    .split("\n")
    .map((line) => line.split(",").map((field) => field.trim()))
    .flatMap(([name, busy, total, used, celsius]): GpuLoad[] => {
      if (name === undefined || name === "" || celsius === undefined) return [];
      const share = whole(busy);
      return [
        {
          name,
          busy: share === null ? null : share / 100,
          memoryBytes: scaled(whole(total), MIB),
          usedMemoryBytes: scaled(whole(used), MIB),
          celsius: whole(celsius),
        },
      ];
    });
}

/** By sysfs alone, as the inventory. `drm` is `/sys/class/drm`. */
export function readAmdLoad(drm: string): GpuLoad[] {
  if (!existsSync(drm)) return [];
  return readdirSync(drm)
    .filter((name) => /^card\d+$/.test(name))
    .sort()
    .map((name) => join(drm, name, "device"))
    .filter((device) => text(join(device, "vendor")) === "0x1002")
    .map((device) => {
      const busy = whole(text(join(device, "gpu_busy_percent")));
      return {
        name: text(join(device, "product_name")) ?? "AMD GPU",
        busy: busy === null ? null : busy / 100,
        memoryBytes: whole(text(join(device, "mem_info_vram_total"))),
        usedMemoryBytes: whole(text(join(device, "mem_info_vram_used"))),
        celsius: null,
      };
    });
}

function whole(value: string | null | undefined): number | null {
  return value !== null && value !== undefined && /^\d+$/.test(value) ? Number(value) : null;
}

function scaled(value: number | null, by: number): number | null {
  return value === null ? null : value * by;
}

function text(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim() || null;
  } catch {
    return null;
  }
}
