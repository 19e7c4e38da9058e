import type { TokenUsage } from "../../core/token-usage.ts";
import { findMembers, skipSpace } from "./chunk-bytes.ts";
import { readUsage } from "./usage.ts";

const MEMBERS = [Buffer.from("choices"), Buffer.from("usage")];
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

export interface FoundUsage {
  /** Null: it has none, or none that makes sense. */
  readonly usage: TokenUsage | null;
  /** Null: it has no list of choices. */
  readonly hasChoices: boolean | null;
}

/**
 * The counts of an answer, or of the chunk that ends a stream. Its members are looked for, and only the counts are parsed:
 * texts may be long, and a schema that is asked once for each answer costs more than the answer's whole way (docs/benchmarks.md).
 * Null: the bytes are no object.
 */
export function findUsage(json: Buffer): FoundUsage | null {
  const found = findMembers(json, MEMBERS);
  if (found === null) return null;
  const [choices = -1, , start = -1, end = -1] = found;
  const isList = choices >= 0 && json[choices] === OPEN_LIST;
  const hasChoices = isList ? json[skipSpace(json, choices + 1)] !== CLOSE_LIST : null;
  if (start < 0) return { usage: null, hasChoices };
  try {
    return { usage: readUsage(JSON.parse(json.toString("utf8", start, end))), hasChoices };
  } catch {
    return null;
  }
}
