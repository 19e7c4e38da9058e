import { join } from "node:path";
import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import { readPrivateFile, writePrivateFile } from "../../core/private-file.ts";
import { PROOF_TTL_MS } from "../registration-proof.ts";

/** How long it is remembered that a node was removed: twice as long as any proof of its registration is good. */
export const REMOVED_KEPT_MS = 2 * PROOF_TTL_MS;

/** Ids of nodes, with when each was removed in epoch ms. */
const removedFile = z.record(z.string(), z.number().int());

/**
 * Nodes that were removed, kept outside the database too: one that is put back from an older copy would let them in again.
 * Ids are never given twice, so an entry is in nobody's way.
 */
export class RemovedNodes {
  readonly #path: string;
  readonly #removed: Map<string, number>;

  private constructor(path: string, removed: Map<string, number>) {
    this.#path = path;
    this.#removed = removed;
  }

  /** The error is for a person. */
  static open(dataDir: string, now: number): Result<RemovedNodes, { readonly message: string; readonly mend: string }> {
    const path = join(dataDir, "removed-nodes.json");
    try {
      const read = removedFile.parse(JSON.parse(readPrivateFile(path) ?? "{}"));
      const kept = Object.entries(read).filter(([, at]) => at > now - REMOVED_KEPT_MS);
      return ok(new RemovedNodes(path, new Map(kept)));
    } catch {
      const message = `${path} says no more which nodes were removed`;
      return err({ message, mend: `put it back from a backup; or: rm ${path}   # the database knows them, too` });
    }
  }

  has(id: string): boolean {
    return this.#removed.has(id);
  }

  /** The removal did not come about. */
  drop(id: string): void {
    this.#removed.delete(id);
    this.#write();
  }

  /** On disk when it returns. Also forgets those that were removed long ago. */
  add(id: string, at: number): void {
    for (const [other, removedAt] of this.#removed) {
      if (removedAt <= at - REMOVED_KEPT_MS) this.#removed.delete(other);
    }
    this.#removed.set(id, at);
    this.#write();
  }

  #write(): void {
    writePrivateFile(this.#path, `${JSON.stringify(Object.fromEntries(this.#removed), null, 2)}\n`);
  }
}
