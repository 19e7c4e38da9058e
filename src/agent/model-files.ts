import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ModelFile } from "./choose-model.ts";

/** The models in a directory; none when it is not there. Left out: later parts of a split model, image projectors. */
export function listModelFiles(modelsDir: string): ModelFile[] {
  let names: string[];
  try {
    names = readdirSync(modelsDir);
  } catch {
    return [];
  }
  return names
    .filter((name) => /\.gguf$/i.test(name) && !/^mmproj/i.test(name) && !isLaterPart(name))
    .flatMap((name) => {
      const path = join(modelsDir, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat?.isFile() ? [{ path, modifiedMs: stat.mtimeMs }] : [];
    });
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isLaterPart(name: string): boolean {
  const part = /-(\d{5})-of-\d{5}\.gguf$/i.exec(name)?.[1];
  return part !== undefined && Number(part) !== 1;
}
