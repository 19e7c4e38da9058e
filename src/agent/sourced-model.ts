import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { AgentOptions } from "./agent-options.ts";

/** A file of a repository of Hugging Face, as a catalogue entry or an `hf:` id names it. */
export interface ModelSource {
  readonly repo: string;
  /** Null: whichever quantisation is there. */
  readonly file: string | null;
  /** Null: not said. */
  readonly quantisation: string | null;
}

/** `hf:owner/repo`, `hf:owner/repo:Q4_K_M`, `hf:owner/repo/file.gguf`. Null: it is none. */
export function parseHfId(id: string): ModelSource | null {
  const [, repo, quantisation, file] = /^hf:([^/:]+\/[^/:]+)(?::([\w-]+)|\/(.+\.gguf))?$/i.exec(id) ?? [];
  if (repo === undefined) return null;
  return { repo, file: file === undefined ? null : basename(file), quantisation: quantisation ?? null };
}

/** The file of the default model, where that is an `hf:` id or an entry of the catalogue. */
export function sourcedModel(options: SourceOptions): string | null {
  const { defaultModel, starts } = options;
  const entry = starts.source === null ? null : { ...starts.source, quantisation: null };
  const source = parseHfId(defaultModel) ?? entry;
  if (source === null) return null;
  return findSourcedModel(source, modelPlaces(options));
}

export function modelPlaces({ modelsDir, childEnv }: Pick<AgentOptions, "modelsDir" | "childEnv">): ModelPlaces {
  const { HF_HUB_CACHE, HF_HOME, HOME = "" } = childEnv;
  const hubCache = HF_HUB_CACHE ?? (HF_HOME === undefined ? "" : join(HF_HOME, "hub"));
  return { modelsDir, home: HOME, hubCache };
}

type SourceOptions = Pick<AgentOptions, "defaultModel" | "modelsDir" | "childEnv" | "starts">;

export interface ModelPlaces {
  readonly modelsDir: string;
  readonly home: string;
  /** `HF_HUB_CACHE` or what follows from `HF_HOME`; "" for the usual one. */
  readonly hubCache: string;
}

const DEEPEST = 4;
const USUAL_QUANTISATION = "Q4_K_M";

/**
 * The file on this machine that holds a model of Hugging Face, or null: in the models directory, in the hub's own cache, or
 * in llama.cpp's. Nothing is downloaded.
 */
export function findSourcedModel(source: ModelSource, places: ModelPlaces): string | null {
  const { repo } = source;
  const [owner = "", name = ""] = repo.split("/");
  const hub = places.hubCache === "" ? join(places.home, ".cache/huggingface/hub") : places.hubCache;
  const stem = name.replace(/-GGUF$/i, "").toLowerCase();
  const isOfRepo = (path: string): boolean => basename(path).toLowerCase().startsWith(stem);
  const found = [
    ...ggufsIn(places.modelsDir, DEEPEST).filter((path) => source.file !== null || isOfRepo(path)),
    ...ggufsIn(join(hub, `models--${owner}--${name}`, "snapshots"), DEEPEST),
    ...ggufsIn(join(places.home, ".cache/llama.cpp"), 1).filter((path) =>
      basename(path).startsWith(`${owner}_${name}_`),
    ),
  ];
  if (source.file !== null) {
    const { file } = source;
    return found.find((path) => basename(path) === file || basename(path).endsWith(`_${file}`)) ?? null;
  }
  const first = found.filter(
    (path) => !/-(?!00001)\d{5}-of-\d{5}\.gguf$/i.test(path) && !/mmproj/i.test(basename(path)),
  );
  const wanted = source.quantisation ?? USUAL_QUANTISATION;
  const exact = first.find((path) => basename(path).toUpperCase().includes(wanted.toUpperCase()));
  return exact ?? (source.quantisation === null ? (first[0] ?? null) : null);
}

function ggufsIn(directory: string, depth: number): string[] {
  let names: string[];
  try {
    names = readdirSync(directory).toSorted();
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const path = join(directory, name);
    // Links of the hub's cache lead to the file itself.
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory() && depth > 1) return ggufsIn(path, depth - 1);
    return stat?.isFile() && /\.gguf$/i.test(name) ? [path] : [];
  });
}
