import {
  GROUP_FIELDS,
  groupOf,
  rowOf,
  type UsageGroup,
  type UsageRecord,
  type UsageRun,
} from "../core/usage-record.ts";

// A line is `{"of":{group},"requests":[[row],[row],…]}`: all requests of one group that were written in one go. Each line
// can be read by itself, wherever reading begins.

const MAX_KNOWN = 1000;

interface Run {
  readonly group: UsageGroup;
  readonly head: string;
  rows: string;
}

function headOf(group: UsageGroup): string {
  return `{"of":${JSON.stringify(group)},"requests":[`;
}

/** Makes lines of records. Runs on the event loop for every request: texts that come again are not made again. */
export class RunWriter {
  readonly #known = new Map<string, Run>();
  #last: Run | null = null;
  #reason = "";
  #quotedReason = '""';

  /** Whole lines, in the order in which their groups came first. */
  encode(records: Iterable<UsageRecord>): string {
    const runs: Run[] = [];
    for (const record of records) {
      const run = this.#runOf(record);
      const row = this.#encodeRow(record);
      if (run.rows === "") runs.push(run);
      run.rows += run.rows === "" ? row : `,${row}`;
    }
    let lines = "";
    for (const run of runs) {
      lines += `${run.head}${run.rows}]}\n`;
      run.rows = "";
    }
    return lines;
  }

  #runOf(record: UsageRecord): Run {
    const last = this.#last;
    if (last !== null && isOf(last.group, record)) return last;
    const key = GROUP_FIELDS.map((name) => record[name]).join("\0");
    let run = this.#known.get(key);
    if (run === undefined) {
      const group = groupOf(record);
      // What a client typed is part of a group: there is no end of them.
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(key, (run = { group, head: headOf(group), rows: "" }));
    }
    return (this.#last = run);
  }

  #encodeRow(record: UsageRecord): string {
    const [id, at, prompt, completion, cached, latency, ttft, queue, attempts, price, reason] = rowOf(record);
    if (reason !== this.#reason) {
      this.#reason = reason;
      this.#quotedReason = JSON.stringify(reason);
    }
    return `[${JSON.stringify(id)},${at},${prompt},${completion},${cached},${latency},${ttft},${queue},${attempts},${price},${this.#quotedReason}]`;
  }
}

function isOf(group: UsageGroup, record: UsageRecord): boolean {
  return (
    group.keyId === record.keyId &&
    group.requestedModel === record.requestedModel &&
    group.replica === record.replica &&
    group.outcome === record.outcome &&
    group.errorKind === record.errorKind &&
    group.endpoint === record.endpoint &&
    group.servedModel === record.servedModel &&
    group.protocol === record.protocol &&
    group.userId === record.userId &&
    group.node === record.node &&
    group.engine === record.engine
  );
}

/** Reads lines of the journal. A group that comes again is the same object. */
export class RunReader {
  readonly #known = new Map<string, UsageGroup>();
  #head = "";
  #group: UsageGroup | null = null;

  /** Null when it is no whole line: torn by a power cut, or not written by us. */
  read(line: string): UsageRun | null {
    if (this.#group !== null && line.startsWith(this.#head)) {
      // Only what follows the group, from its bracket to the one that ends it.
      const rows = parse(line.slice(this.#head.length - 1, -1));
      return line.endsWith("]}") && areRows(rows) ? { group: this.#group, rows } : null;
    }
    const value = parse(line);
    if (typeof value !== "object" || value === null) return null;
    if (!("of" in value)) return isRecord(value) ? { group: this.#intern(value), rows: [rowOf(value)] } : null;
    const rows = "requests" in value ? value.requests : null;
    if (!isGroup(value.of) || !areRows(rows)) return null;
    this.#group = this.#intern(value.of);
    this.#head = headOf(this.#group);
    return { group: this.#group, rows };
  }

  #intern(value: UsageGroup): UsageGroup {
    const key = GROUP_FIELDS.map((name) => value[name]).join("\0");
    let group = this.#known.get(key);
    if (group === undefined) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(key, (group = groupOf(value)));
    }
    return group;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isGroup(value: unknown): value is UsageGroup {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return GROUP_FIELDS.every((name) => typeof fields[name] === "string");
}

const TTFT = 6;
const REASON = 10;

function areRows(value: unknown): value is UsageRun["rows"] {
  if (!Array.isArray(value)) return false;
  for (const row of value) {
    if (!Array.isArray(row) || row.length !== REASON + 1) return false;
    if (typeof row[0] !== "string" || row[0] === "" || typeof row[REASON] !== "string") return false;
    for (let at = 1; at < REASON; at += 1) {
      if (typeof row[at] !== "number" && !(at === TTFT && row[at] === null)) return false;
    }
  }
  return true;
}

const NUMBERS = ["at", "promptTokens", "completionTokens", "cachedTokens", "latencyMs", "queueMs", "attempts"] as const;

/** A line as earlier versions wrote them: one whole record. */
function isRecord(value: object): value is UsageRecord {
  if (!isGroup(value)) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  if (typeof fields["requestId"] !== "string" || fields["requestId"] === "") return false;
  if (typeof fields["routeReason"] !== "string") return false;
  if (fields["ttftMs"] !== null && !Number.isFinite(fields["ttftMs"])) return false;
  return [...NUMBERS, "priceMicros"].every((name) => Number.isFinite(fields[name]));
}
