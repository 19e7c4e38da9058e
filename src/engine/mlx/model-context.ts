import { readFile, readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where nothing is known: what most models of this engine's users can do. */
const FALLBACK_TOKENS = 32_768;

/**
 * The context of a model, from its `config.json`: mlx_lm.server neither tells nor bounds it. The files are on this machine
 * when the server is; `home` holds the cache of what was downloaded.
 */
export async function contextOf(id: string, home = homedir()): Promise<number> {
  for (const folder of await foldersOf(id, home)) {
    const found = await readContext(join(folder, "config.json"));
    if (found !== null) return found;
  }
  return FALLBACK_TOKENS;
}

async function foldersOf(id: string, home: string): Promise<string[]> {
  if (id.startsWith("/")) return [id];
  const snapshots = join(home, ".cache/huggingface/hub", `models--${id.replaceAll("/", "--")}`, "snapshots");
  const names = await readdir(snapshots).catch(() => []);
  return names.map((name) => join(snapshots, name));
}

async function readContext(path: string): Promise<number | null> {
  try {
    const config: unknown = JSON.parse(await readFile(path, "utf8"));
    return sizeIn(config) ?? sizeIn(member(config, "text_config"));
  } catch {
    return null;
  }
}

function sizeIn(config: unknown): number | null {
  const size = member(config, "max_position_embeddings");
  return typeof size === "number" && size > 0 ? size : null;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
