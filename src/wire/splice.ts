import type { ScannedBody } from "./scan-body.ts";

export interface BodyEdits {
  /** Raw JSON text by member name; a member that is absent is added at the end. */
  readonly set?: Readonly<Record<string, string>>;
  /** Members to take out; absent ones are no error. `set` wins over `remove`. */
  readonly remove?: readonly string[];
}

/**
 * The body with top-level members changed, added or removed; every other byte is copied as it is, so that the engine
 * sees what the client wrote (and its prefix cache still matches). `set` values are trusted to be valid JSON.
 */
export function splice(scanned: ScannedBody, edits: BodyEdits): Uint8Array<ArrayBuffer> {
  const { bytes } = scanned;
  // Most requests: nothing is copied.
  if (!touches(scanned, edits)) return bytes as Buffer<ArrayBuffer>;
  const set = new Map(Object.entries(edits.set ?? {}));
  const remove = new Set((edits.remove ?? []).filter((name) => !set.has(name)));
  const pieces: Uint8Array[] = [];
  // Up to here the body is copied or cut. `lastEnd` is where the last kept member ends, -1: none is kept yet.
  let copied = 0;
  let lastEnd = -1;
  let pendingCut = -1;
  for (const [name, span] of scanned.members) {
    if (remove.has(name)) {
      // Cut up to the next kept member, or, when none follows, from the end of the last kept one (its comma too).
      if (pendingCut < 0) pendingCut = span.keyStart;
      continue;
    }
    if (pendingCut >= 0) {
      pieces.push(bytes.subarray(copied, pendingCut));
      copied = span.keyStart;
      pendingCut = -1;
    }
    const value = set.get(name);
    if (value !== undefined) {
      pieces.push(bytes.subarray(copied, span.valueStart), Buffer.from(value));
      copied = span.valueEnd;
      set.delete(name);
    }
    lastEnd = span.valueEnd;
  }
  const close = bytes.lastIndexOf(0x7d);
  if (pendingCut >= 0) {
    const cut = lastEnd < 0 ? pendingCut : lastEnd;
    pieces.push(bytes.subarray(copied, Math.max(copied, cut)));
    copied = close;
  }
  if (set.size > 0) {
    pieces.push(bytes.subarray(copied, close), Buffer.from(additions(set, lastEnd >= 0)));
    copied = close;
  }
  pieces.push(bytes.subarray(copied));
  return Buffer.concat(pieces);
}

function touches(scanned: ScannedBody, { set = {}, remove = [] }: BodyEdits): boolean {
  for (const _ in set) return true;
  for (const name of remove) if (scanned.has(name)) return true;
  return false;
}

function additions(set: ReadonlyMap<string, string>, afterMember: boolean): string {
  let text = "";
  for (const [name, value] of set) text += `${text || afterMember ? "," : ""}${JSON.stringify(name)}:${value}`;
  return text;
}
