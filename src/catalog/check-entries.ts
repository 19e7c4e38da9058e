import type { CatalogProblem } from "./catalog-problem.ts";
import type { CatalogEntry } from "./entry.ts";

export interface FiledEntry {
  readonly file: string;
  readonly entry: CatalogEntry;
}

export interface CheckedEntries {
  /** By id. Names that lead nowhere, or round in a circle, are taken out of them. */
  readonly entries: readonly CatalogEntry[];
  readonly problems: readonly CatalogProblem[];
}

/** The rules over all entries: one meaning for each name, fallbacks that exist and come to an end. Pure. */
export function checkEntries(filed: readonly FiledEntry[]): CheckedEntries {
  const problems: CatalogProblem[] = [];
  const report = (file: string, message: string): void => void problems.push({ file, line: null, message });
  const sorted = filed.toSorted((a, b) => (a.entry.id < b.entry.id ? -1 : 1));
  const ids = new Set(sorted.map(({ entry }) => entry.id));
  const names = new Set(ids);
  const links = new Map<string, readonly string[]>();
  const entries = sorted.map(({ file, entry }): CatalogEntry => {
    const aliases = entry.aliases?.filter((alias) => {
      const taken = names.has(alias);
      if (taken) report(file, `the alias ${alias} is another model's name already`);
      names.add(alias);
      return !taken;
    });
    const fallback = entry.fallback.filter((next) => {
      if (!ids.has(next)) report(file, `falls back to ${next}, which is not in the catalogue`);
      else if (reaches(links, next, entry.id)) report(file, `falls back to ${next}, which falls back to it in turn`);
      else return true;
      return false;
    });
    links.set(entry.id, fallback);
    return { ...entry, ...(aliases === undefined ? {} : { aliases }), fallback };
  });
  return { entries, problems };
}

function reaches(links: ReadonlyMap<string, readonly string[]>, from: string, to: string): boolean {
  const seen = new Set([from]);
  // A set gives what is added to it while it is walked.
  for (const id of seen) {
    if (id === to) return true;
    for (const next of links.get(id) ?? []) seen.add(next);
  }
  return false;
}
