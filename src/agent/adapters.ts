import { readFileSync, statSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { z } from "zod";
import type { EngineKind } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import { writePrivateFile } from "../core/private-file.ts";
import type { ModelRefusal } from "./loaded-models.ts";
import { isFile } from "./model-files.ts";
import { findSourcedModel, type ModelPlaces, parseHfId } from "./sourced-model.ts";

/** A LoRA adapter on this machine. Its name is the id of the model that it makes. */
export interface Adapter {
  readonly name: string;
  /** A GGUF file for llama-server; for vLLM a directory, or a repository of Hugging Face that is on disk. */
  readonly path: string;
}

export type AdapterChange =
  | { readonly action: "add"; readonly adapter: Adapter }
  | { readonly action: "remove"; readonly name: string };

/** Why an engine of this kind takes none; null: it does. */
export function refusesAdapters(kind: EngineKind): ModelRefusal | null {
  if (kind === "llamacpp" || kind === "vllm") return null;
  const message = `LoRA adapters are for vLLM and llama-server; the ${kind} engine takes none`;
  return { status: 409, message, mend: "FLOCK_ENGINE=llamacpp flock up" };
}

/** From `file:<path>` or `hf:<owner>/<repository>` to what is on this machine. */
export function findAdapter(wanted: string, kind: EngineKind, places: ModelPlaces): Result<Adapter, ModelRefusal> {
  const source = parseHfId(wanted);
  if (source !== null && kind === "vllm") return ok({ name: idOf(source.repo), path: source.repo });
  const path = source === null ? wanted.replace(/^file:/, "") : findSourcedModel(source, places);
  if (path === null) {
    return err({
      status: 404,
      message: `${wanted} is not on this machine`,
      mend: `put its .gguf file into ${places.modelsDir}`,
    });
  }
  if (!isAbsolute(path))
    return err({ status: 400, message: `${path} is not a whole path`, mend: "give it from the root on" });
  const there = kind === "vllm" ? (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false) : isFile(path);
  if (there && (kind === "vllm" || /\.gguf$/i.test(path))) return ok({ name: idOf(path), path });
  const what = kind === "vllm" ? "a directory with adapter_config.json" : "a .gguf file";
  return err({ status: 404, message: `${path} is not ${what}`, mend: `ls -l ${path}` });
}

/** The list after a change; null: it stays as it is. */
export function changeAdapters(
  before: readonly Adapter[],
  change: AdapterChange,
): Result<readonly Adapter[] | null, ModelRefusal> {
  if (change.action === "remove") {
    const after = before.filter(({ name }) => name !== change.name);
    return after.length < before.length ? ok(after) : err(noAdapter(change.name, before));
  }
  const { adapter } = change;
  const same = before.find(({ name }) => name === adapter.name);
  if (same === undefined) return ok([...before, adapter]);
  if (same.path === adapter.path) return ok(null);
  const message = `${same.path} is served as ${adapter.name} already`;
  return err({ status: 409, message, mend: `flock model adapter rm ${adapter.name}` });
}

function noAdapter(name: string, known: readonly Adapter[]): ModelRefusal {
  const names = known.map((adapter) => adapter.name).join(", ") || "none";
  return {
    status: 404,
    message: `no adapter ${name} was put on it (there is: ${names})`,
    mend: "flock model adapter ls",
  };
}

function idOf(path: string): string {
  return basename(path)
    .replace(/\.gguf$/i, "")
    .toLowerCase();
}

const book = z.record(z.string(), z.array(z.strictObject({ name: z.string(), path: z.string() })));

/** `<data dir>/adapters.json`: which adapters each engine of Flock's own is started with. */
export class AdapterBook {
  readonly #file: string;

  constructor(dataDir: string) {
    this.#file = join(dataDir, "adapters.json");
  }

  of(engineId: string): readonly Adapter[] {
    return this.#read()[engineId] ?? [];
  }

  set(engineId: string, adapters: readonly Adapter[]): void {
    const { [engineId]: _, ...others } = this.#read();
    const all = adapters.length === 0 ? others : { ...others, [engineId]: [...adapters] };
    writePrivateFile(this.#file, JSON.stringify(all));
  }

  #read(): z.infer<typeof book> {
    try {
      const parsed = book.safeParse(JSON.parse(readFileSync(this.#file, "utf8")));
      return parsed.success ? parsed.data : {};
    } catch {
      return {};
    }
  }
}
