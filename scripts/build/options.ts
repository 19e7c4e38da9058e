import { resolve } from "node:path";
import { err, ok, type Result } from "../../src/core/result.ts";
import { HOST, type Platform, PLATFORMS } from "./platforms.ts";

export interface BuildOptions {
  readonly platforms: readonly Platform[];
  readonly outDir: string;
  /** A platform whose packages cannot be had is left out instead of failing the build. */
  readonly skipMissing: boolean;
  readonly archives: boolean;
}

export const USAGE = `npm run build [-- options]

  --platform <ids>   ${PLATFORMS.map(({ id }) => id).join(", ")}; host: this machine's. Default: all
  --out <folder>     Default: dist
  --no-archive       Only the folders
  --skip-missing     Leave a platform out when its packages cannot be fetched, and succeed`;

/** The error is one line for the person who called. */
export function parseBuildOptions(argv: readonly string[], root: string): Result<BuildOptions, string> {
  let platforms: readonly Platform[] = PLATFORMS;
  let outDir = resolve(root, "dist");
  let skipMissing = false;
  let archives = true;
  const words = argv.flatMap((word) => (/^--\w+=/.test(word) ? word.split(/=(.*)/s).slice(0, 2) : [word]));
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === "--skip-missing") skipMissing = true;
    else if (word === "--no-archive") archives = false;
    else if (word === "--platform" || word === "--out") {
      const value = words[++at];
      if (value === undefined || value === "") return err(`${word} needs a value`);
      if (word === "--out") {
        outDir = resolve(value);
        continue;
      }
      const wanted = new Set(value.split(",").map((id) => (id === "host" ? HOST : id.trim())));
      const unknown = [...wanted].find((id) => !PLATFORMS.some((platform) => platform.id === id));
      if (unknown !== undefined) return err(`there is no build for ${unknown}`);
      platforms = PLATFORMS.filter(({ id }) => wanted.has(id));
    } else return err(`${word} is no option`);
  }
  return ok({ platforms, outDir, skipMissing, archives });
}
