import { createHash } from "node:crypto";

/** What tells groups of requests apart in the store: a database may not be able to index all their texts. */
export function groupDigest(texts: readonly string[]): string {
  return createHash("sha256").update(texts.join("\0")).digest("hex");
}
