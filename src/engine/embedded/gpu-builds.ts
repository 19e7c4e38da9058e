/** A build of llama.cpp that the library may bring for this platform, best first. */
export interface GpuBuild {
  readonly gpu: "cuda" | "vulkan" | "metal" | "cpu";
  /** Its package, below `@node-llama-cpp/`. */
  readonly packageName: string;
}

export interface GpuCandidate {
  readonly build: GpuBuild["gpu"];
  readonly installed: boolean;
  readonly usable: boolean;
  /** In one line: the devices it finds, or what keeps it from working. */
  readonly why: string;
}

/** What the embedded engine computes on here, and why. */
export interface GpuDescription {
  readonly chosen: GpuBuild["gpu"] | null;
  readonly reason: string;
  readonly candidates: readonly GpuCandidate[];
}

export function buildsFor(platform: string, arch: string): readonly GpuBuild[] {
  switch (`${platform}-${arch}`) {
    case "linux-x64":
      return [
        { gpu: "cuda", packageName: "linux-x64-cuda" },
        { gpu: "vulkan", packageName: "linux-x64-vulkan" },
        { gpu: "cpu", packageName: "linux-x64" },
      ];
    case "linux-arm64":
      return [{ gpu: "cpu", packageName: "linux-arm64" }];
    case "darwin-arm64":
      return [{ gpu: "metal", packageName: "mac-arm64-metal" }];
    case "darwin-x64":
      return [{ gpu: "cpu", packageName: "mac-x64" }];
    default:
      return [];
  }
}

/** From what was found out about each build. The first usable one is what the engine takes too. */
export function describe(candidates: readonly GpuCandidate[]): GpuDescription {
  const chosen = candidates.find(({ usable }) => usable);
  if (!chosen) {
    const why = candidates.map(({ build, why: cause }) => `${build}: ${cause}`).join("; ");
    return { chosen: null, reason: `no build works here (${why || "there is none for this platform"})`, candidates };
  }
  const passed = candidates.slice(0, candidates.indexOf(chosen));
  const better = passed.map(({ build, why }) => `${build}: ${why}`).join("; ");
  return {
    chosen: chosen.build,
    reason: better === "" ? chosen.why : `${chosen.why} (${better})`,
    candidates,
  };
}
