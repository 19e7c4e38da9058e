/** What a release is built for. A further platform is one more row. */
export interface Platform {
  readonly id: string;
  /** As Bun calls it. */
  readonly target: Bun.Build.CompileTarget;
  /** The npm package with Bun for it: what the program is joined with. */
  readonly bunPackage: string;
  /** The npm package with llama.cpp built for it. */
  readonly enginePackage: string;
}

export const PLATFORMS: readonly Platform[] = [
  {
    id: "linux-x64",
    target: "bun-linux-x64",
    bunPackage: "@oven/bun-linux-x64",
    enginePackage: "@node-llama-cpp/linux-x64",
  },
  {
    id: "linux-arm64",
    target: "bun-linux-arm64",
    bunPackage: "@oven/bun-linux-aarch64",
    enginePackage: "@node-llama-cpp/linux-arm64",
  },
  {
    id: "darwin-x64",
    target: "bun-darwin-x64",
    bunPackage: "@oven/bun-darwin-x64",
    enginePackage: "@node-llama-cpp/mac-x64",
  },
  {
    id: "darwin-arm64",
    target: "bun-darwin-arm64",
    bunPackage: "@oven/bun-darwin-aarch64",
    enginePackage: "@node-llama-cpp/mac-arm64-metal",
  },
];

export const HOST = `${process.platform}-${process.arch}`;
