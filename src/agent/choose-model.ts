import { basename, isAbsolute, join, resolve } from "node:path";

/** A `*.gguf` in the models directory. */
export interface ModelFile {
  readonly path: string;
  readonly modifiedMs: number;
}

export interface ModelChoice {
  /** File stem in lower case. */
  readonly modelId: string;
  readonly path: string;
  /** The bundled smoke-test model. */
  readonly bundled: boolean;
  /** Why it is not the wanted one, with the command that mends it; null when it is, or when none was named. */
  readonly problem: string | null;
}

export interface ModelWish {
  /** `router.default_model`: `file:<path>`, an id, or "" for whatever is there. */
  readonly wanted: string;
  readonly modelsDir: string;
  readonly bundledModel: string;
  /** The `*.gguf` files directly in `modelsDir`. */
  readonly files: readonly ModelFile[];
  /** The file of a wanted `hf:` id or catalogue entry, where it is on this machine. */
  readonly sourced?: string | null;
  /** For relative `file:` paths. */
  readonly cwd: string;
  isFile(path: string): boolean;
}

/** Which model the embedded engine loads: the wanted one, else the newest one here, else the bundled one. */
export function chooseModel(wish: ModelWish): ModelChoice {
  const { wanted, modelsDir, bundledModel } = wish;
  const bundledId = modelIdOf(bundledModel);
  if (wanted.startsWith("file:")) {
    const named = wanted.slice("file:".length);
    const path = isAbsolute(named) ? named : resolve(wish.cwd, named);
    if (wish.isFile(path)) return { modelId: modelIdOf(path), path, bundled: false, problem: null };
    return fallback(wish, `${path} is not a file; put it there, or: flock config edit (router.default_model)`);
  }
  if (wanted === "") return fallback(wish, null);
  const id = wanted.toLowerCase();
  if (id === bundledId) return { modelId: bundledId, path: bundledModel, bundled: true, problem: null };
  const found = wish.files.find((file) => modelIdOf(file.path) === id);
  if (found) return { modelId: id, path: found.path, bundled: false, problem: null };
  const sourced = wish.sourced ?? null;
  if (sourced !== null) {
    // A catalogue's id is the model's; an `hf:` id is no name to ask for.
    return { modelId: id.startsWith("hf:") ? modelIdOf(sourced) : id, path: sourced, bundled: false, problem: null };
  }
  return fallback(wish, `${join(modelsDir, `${wanted}.gguf`)} is not there; get it: flock model add ${wanted}`);
}

/** The id under which clients ask for the model in this file. */
export function modelIdOf(path: string): string {
  return basename(path)
    .replace(/(-00001-of-\d{5})?\.gguf$/i, "")
    .toLowerCase();
}

function fallback(wish: ModelWish, why: string | null): ModelChoice {
  // The path decides between equally old files, so that two starts choose alike.
  const newest = [...wish.files].sort((a, b) => b.modifiedMs - a.modifiedMs || (a.path < b.path ? -1 : 1))[0];
  const path = newest?.path ?? wish.bundledModel;
  const modelId = modelIdOf(path);
  const problem =
    why === null ? null : `the default model ${wish.wanted} cannot be served (${modelId} is instead): ${why}`;
  return { modelId, path, bundled: newest === undefined, problem };
}
