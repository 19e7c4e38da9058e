import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../core/error-code.ts";
import type { CatalogProblem } from "./catalog-problem.ts";
import { checkEntries, type FiledEntry } from "./check-entries.ts";
import type { CatalogEntry } from "./entry.ts";
import { parseEntry } from "./parse-entry.ts";

const MAX_FILE_BYTES = 64 * 1024;
const MAX_FILES = 5000;

export interface CatalogContents {
  /** Where it was found; null: nowhere. */
  readonly directory: string | null;
  /** By id. */
  readonly entries: readonly CatalogEntry[];
  readonly problems: readonly CatalogProblem[];
}

export interface Catalog {
  /** As the files are now. They are read again only when one has changed. Never rejects. */
  read(): Promise<CatalogContents>;
}

interface FoundFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly stamp: string;
}

interface Found {
  readonly directory: string;
  readonly files: readonly FoundFile[];
}

/** The catalogue in the first of `directories` that has any entries. */
export function openCatalog(directories: readonly string[]): Catalog {
  let kept: { readonly stamp: string; readonly contents: Promise<CatalogContents> } | null = null;
  return {
    async read() {
      const found = await findFiles(directories);
      if (found === null) {
        kept = null;
        return nowhere(directories);
      }
      const stamp = [found.directory, ...found.files.map((file) => file.stamp)].join("\n");
      if (kept?.stamp !== stamp) kept = { stamp, contents: readAll(found) };
      return await kept.contents;
    },
  };
}

async function findFiles(directories: readonly string[]): Promise<Found | null> {
  for (const directory of directories) {
    const names = await readdir(directory).catch(() => []);
    const wanted = names.filter((name) => /^[^.].*\.ya?ml$/.test(name)).toSorted();
    const files = await Promise.all(
      wanted.slice(0, MAX_FILES).map(async (name): Promise<FoundFile | null> => {
        const seen = await stat(join(directory, name)).catch(() => null);
        if (seen === null || !seen.isFile()) return null;
        return { name, sizeBytes: seen.size, stamp: `${name} ${seen.size} ${seen.mtimeMs}` };
      }),
    );
    const there = files.filter((file) => file !== null);
    if (there.length > 0) return { directory, files: there };
  }
  return null;
}

async function readAll({ directory, files }: Found): Promise<CatalogContents> {
  const filed: FiledEntry[] = [];
  const problems: CatalogProblem[] = [];
  // One after the other: between two files the event loop serves requests.
  for (const { name, sizeBytes } of files) {
    const file = join(directory, name);
    const skip = (message: string, line: number | null = null): void => void problems.push({ file, line, message });
    if (sizeBytes > MAX_FILE_BYTES) {
      skip(`is larger than ${MAX_FILE_BYTES / 1024} KiB`);
      continue;
    }
    const text = await readFile(file, "utf8").catch((cause: unknown) => {
      skip(`cannot be read (${codeOf(cause) || "unknown error"})`);
      return null;
    });
    if (text === null) continue;
    const parsed = await parseEntry(file, text);
    if (!parsed.ok) problems.push(...parsed.error);
    else if (`${parsed.value.id}.yaml` !== name) skip(`holds ${parsed.value.id}: call it ${parsed.value.id}.yaml`);
    else filed.push({ file, entry: parsed.value });
  }
  const checked = checkEntries(filed);
  return { directory, entries: checked.entries, problems: [...problems, ...checked.problems] };
}

function nowhere(directories: readonly string[]): CatalogContents {
  const [first = ""] = directories;
  const message =
    directories.length === 1
      ? "holds no catalogue entries; catalog_dir (FLOCK_CATALOG_DIR) names it"
      : `holds no catalogue entries, nor does any of ${directories.slice(1).join(", ")}`;
  return { directory: null, entries: [], problems: [{ file: first, line: null, message }] };
}
