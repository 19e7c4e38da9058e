import { readdirSync } from "node:fs";
import type { UsageRecord } from "../core/usage-record.ts";

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
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
    throw cause;
  }
}

type Kind = "text" | "number" | "number or null";

const FIELDS: Readonly<Record<keyof UsageRecord, Kind>> = {
  requestId: "text",
  at: "number",
  userId: "text",
  keyId: "text",
  protocol: "text",
  endpoint: "text",
  requestedModel: "text",
  servedModel: "text",
  node: "text",
  engine: "text",
  replica: "text",
  promptTokens: "number",
  completionTokens: "number",
  cachedTokens: "number",
  latencyMs: "number",
  ttftMs: "number or null",
  queueMs: "number",
  attempts: "number",
  routeReason: "text",
  priceMicros: "number",
  outcome: "text",
  errorKind: "text",
};
const KINDS = Object.entries(FIELDS);

/** One line of the journal. Null when it is not a whole record: torn by a power cut, or not written by us. */
export function parseUsageLine(line: string): UsageRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  return isUsageRecord(value) ? value : null;
}

function isUsageRecord(value: unknown): value is UsageRecord {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields["requestId"] === "") return false;
  return KINDS.every(([name, kind]) => fits(fields[name], kind));
}

function fits(value: unknown, kind: Kind): boolean {
  if (kind === "text") return typeof value === "string";
  return (kind === "number or null" && value === null) || Number.isFinite(value);
}
