import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Entry, FileName, ResponseIndex } from "./response-index.ts";

const FILE = /^([rt])-([a-z0-9]{1,65})\.json$/;

/** Puts what is on disk into the index, least recently used first. Gives the files that belong to no whole response. */
export async function scanResponses(dir: string, index: ResponseIndex): Promise<FileName[]> {
  const left: FileName[] = [];
  const found: { entry: Entry; sizes: ReadonlyMap<string, number> }[] = [];
  for (const folder of await readdir(dir, { withFileTypes: true })) {
    if (!folder.isDirectory() || !/^[0-9a-f]{32}$/.test(folder.name)) continue;
    const key = folder.name;
    const { responses, turns, others } = await list(dir, key);
    const held = new Set<string>();
    left.push(...others);
    for (const name of responses) {
      const entry = await readEntry(dir, key, name);
      if (entry === null || !entry.turns.every((turn) => turns.has(turn))) {
        left.push({ key, file: `r-${name}.json` });
        continue;
      }
      for (const turn of entry.turns) held.add(turn);
      found.push({ entry, sizes: turns });
    }
    for (const turn of turns.keys()) if (!held.has(turn)) left.push({ key, file: `t-${turn}.json` });
  }
  found.sort((a, b) => a.entry.usedAt - b.entry.usedAt);
  for (const { entry, sizes } of found) left.push(...index.add(entry, sizes));
  return left;
}

async function list(dir: string, key: string) {
  const responses: string[] = [];
  const turns = new Map<string, number>();
  const others: FileName[] = [];
  for (const file of await readdir(join(dir, key))) {
    const [, kind, name = ""] = FILE.exec(file) ?? [];
    if (kind === "r") responses.push(name);
    else if (kind === "t") turns.set(name, (await stat(join(dir, key, file))).size);
    else others.push({ key, file });
  }
  return { responses, turns, others };
}

/** One response with the sizes of its turns; null: it is not there, or not whole. */
export async function readResponse(dir: string, key: string, name: string) {
  const entry = await readEntry(dir, key, name);
  if (entry === null) return null;
  const sizes = new Map<string, number>();
  for (const turn of entry.turns) {
    const found = await stat(join(dir, key, `t-${turn}.json`)).catch(() => null);
    if (found === null) return null;
    sizes.set(turn, found.size);
  }
  return { entry, sizes };
}

async function readEntry(dir: string, key: string, name: string): Promise<Entry | null> {
  const path = join(dir, key, `r-${name}.json`);
  try {
    const [line, { mtimeMs, size }] = await Promise.all([firstLine(path), stat(path)]);
    const { turns, inputs } = JSON.parse(line) as { turns?: unknown; inputs?: unknown };
    if (!Array.isArray(turns) || !turns.every((turn) => typeof turn === "string") || typeof inputs !== "number")
      return null;
    return { key, name, turns, inputs, bytes: size, usedAt: mtimeMs };
  } catch {
    return null;
  }
}

const HEAD_BYTES = 65_536;

/** What the index needs stands in the first line; the rest may be long, and there may be many. */
async function firstLine(path: string): Promise<string> {
  const file = await open(path);
  try {
    let text = "";
    const piece = Buffer.alloc(HEAD_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, HEAD_BYTES);
      text += piece.toString("utf8", 0, bytesRead);
      const end = text.indexOf("\n");
      if (end >= 0 || bytesRead === 0) return end < 0 ? text : text.slice(0, end);
    }
  } finally {
    await file.close();
  }
}
