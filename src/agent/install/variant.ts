import type { Gpu } from "../../core/node.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { InstallProblem } from "./install-problem.ts";
import type { Asset, Release } from "./release.ts";

const VARIANTS = ["cuda", "rocm", "vulkan", "metal", "cpu"] as const;
export type Variant = (typeof VARIANTS)[number];

export interface Platform {
  readonly os: string;
  readonly arch: string;
}

/** What a machine's GPU asks for: CUDA and ROCm where the archives have them, Metal on a Mac, Vulkan for the rest. */
export function variantFor({ os, arch }: Platform, gpus: readonly Gpu[]): Variant {
  if (os === "darwin") return arch === "arm64" ? "metal" : "cpu";
  if (gpus.some((gpu) => gpu.vendor === "nvidia" && newestCuda(gpu.driver) !== null)) return "cuda";
  if (arch === "x64" && gpus.some(({ vendor }) => vendor === "amd")) return "rocm";
  return gpus.length > 0 ? "vulkan" : "cpu";
}

/** The major version of CUDA that a driver can run, by NVIDIA's table of the oldest driver for each; null: too old. */
export function newestCuda(driver: string | null): number | null {
  const major = Number(/^(\d+)\./.exec(driver ?? "")?.[1] ?? Number.NaN);
  if (major >= 580) return 13;
  return major >= 525 ? 12 : null;
}

/**
 * The archives of a release for this machine, the program's own first. Names carry the versions of CUDA and ROCm, which
 * change from release to release: the newest that the driver can run is taken.
 */
export function assetsFor(
  { tag, assets }: Release,
  platform: Platform,
  variant: Variant,
  driver: string | null,
): Result<readonly Asset[], InstallProblem> {
  const { os, arch } = platform;
  const refusal = refusalOf(platform, variant);
  if (refusal !== null) return err(refusal);
  const prefix = os === "darwin" ? `llama-${tag}-bin-macos` : `llama-${tag}-bin-ubuntu`;
  const ending = `-${arch}.tar.gz`;
  const middle = variant === "metal" || variant === "cpu" ? "" : `-${variant}`;
  const fitting = assets
    .filter(({ name }) => name.startsWith(`${prefix}${middle}`) && name.endsWith(ending))
    .map((asset) => ({ asset, version: asset.name.slice(prefix.length + middle.length, -ending.length) }))
    .filter(({ version }) =>
      variant === "cuda" || variant === "rocm" ? /^-\d+(\.\d+)*$/.test(version) : version === "",
    )
    .filter(({ version }) => variant !== "cuda" || majorOf(version) <= (newestCuda(driver) ?? Infinity))
    .toSorted((a, b) => compareVersions(b.version, a.version));
  const main = fitting[0]?.asset;
  if (main === undefined) {
    return err({
      message: `release ${tag} has no ${variant} archive for ${os} ${arch}`,
      mend: `flock engine install llamacpp --variant cpu, or --version <another tag>`,
    });
  }
  // The libraries of CUDA, for machines that have only the driver.
  const runtime = assets.find(({ name }) => name === `cudart-${main.name}`);
  return ok(runtime === undefined ? [main] : [main, runtime]);
}

function refusalOf({ os, arch }: Platform, variant: Variant): InstallProblem | null {
  const message = `there is no ${variant} build of llama.cpp for ${os} ${arch}`;
  const mend = `flock engine install llamacpp --variant ${os === "darwin" && arch === "arm64" ? "metal" : "cpu"}`;
  if (os !== "linux" && os !== "darwin") return { message, mend: "build llama.cpp and set FLOCK_LLAMA_BIN_DIR" };
  const isMac = os === "darwin";
  if (isMac ? variant !== "metal" && variant !== "cpu" : variant === "metal") return { message, mend };
  return isMac && (variant === "metal") !== (arch === "arm64") ? { message, mend } : null;
}

function majorOf(version: string): number {
  return Number(/\d+/.exec(version)?.[0] ?? 0);
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.match(/\d+/g)?.map(Number) ?? []);
  for (let at = 0; at < Math.max(left?.length ?? 0, right?.length ?? 0); at++) {
    const difference = (left?.[at] ?? 0) - (right?.[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
