import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A program called `llama-server` in this directory that runs the stand-in. Gives its path. */
export function writeStandinLlamaServer(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "llama-server");
  const script = join(import.meta.dir, "standin-llama-server.ts");
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
