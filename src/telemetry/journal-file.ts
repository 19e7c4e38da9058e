import { readdirSync } from "node:fs";
import { codeOf } from "../core/error-code.ts";

/** Wide enough for a number of ms, so that names sort as numbers do. */
const SEQ_DIGITS = 15;
const NAME = /^usage-(\d{15})(?:-[0-9a-f]+)?\.jsonl$/;

/** `mark` tells files of the same number apart: several leaders note in one database how far they have read theirs. */
export function journalFileName(seq: number, mark = ""): string {
  return `usage-${String(seq).padStart(SEQ_DIGITS, "0")}${mark === "" ? "" : `-${mark}`}.jsonl`;
}

export function journalSeq(name: string): number {
  return Number(NAME.exec(name)?.[1] ?? 0);
}

/** Names of the journal's files, oldest first. Only the last one is still written to. */
export function listJournalFiles(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => NAME.test(name))
      .sort();
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return [];
    throw cause;
  }
}
