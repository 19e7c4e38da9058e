import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { type DigestAnswer, type ModelPart, partsOf } from "../cluster/model-files.ts";

const READ_BYTES = 4 * 1024 * 1024;

interface Digest {
  readonly key: string;
  readonly totalBytes: number;
  doneBytes: number;
  parts: readonly ModelPart[] | null;
  failed: boolean;
}

/** Checksums of model files, computed in this process once for each state of the files, and asked for until they are there. */
export class ModelDigests {
  readonly #known = new Map<string, Digest>();

  /** Null: a file of it is not there. */
  of(path: string): DigestAnswer | null {
    const files = partsOf(path);
    const stats = files.map((file) => statSync(file, { throwIfNoEntry: false }));
    if (stats.some((stat) => stat?.isFile() !== true)) return null;
    const key = stats.map((stat) => `${stat?.size}:${stat?.mtimeMs}`).join(",");
    let digest = this.#known.get(path);
    if (digest === undefined || digest.key !== key || digest.failed) {
      const totalBytes = stats.reduce((sum, stat) => sum + (stat?.size ?? 0), 0);
      digest = { key, totalBytes, doneBytes: 0, parts: null, failed: false };
      this.#known.set(path, digest);
      void read(files, digest);
    }
    const { parts, doneBytes, totalBytes } = digest;
    return { parts: parts === null ? null : [...parts], doneBytes, totalBytes };
  }
}

async function read(files: readonly string[], digest: Digest): Promise<void> {
  try {
    const parts: ModelPart[] = [];
    for (const file of files) {
      const hasher = new Bun.CryptoHasher("sha256");
      let bytes = 0;
      for await (const chunk of createReadStream(file, { highWaterMark: READ_BYTES })) {
        hasher.update(chunk as Buffer);
        bytes += (chunk as Buffer).length;
        digest.doneBytes += (chunk as Buffer).length;
      }
      parts.push({ name: basename(file), bytes, sha256: hasher.digest("hex") });
    }
    digest.parts = parts;
  } catch (cause) {
    // Taken away while it was read: the next question begins anew, and finds that.
    console.error(`agent: a model could not be read: ${String(cause)}`);
    digest.failed = true;
  }
}
