import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DigestAnswer } from "../cluster/model-files.ts";
import { ModelDigests } from "./model-digest.ts";

async function whole(digests: ModelDigests, path: string): Promise<DigestAnswer | null> {
  for (;;) {
    const told = digests.of(path);
    if (told === null || told.parts !== null) return told;
    await Bun.sleep(1);
  }
}

test("a split model is told with all its parts, anew when a file changed, and not at all when one is missing", async () => {
  const dir = mkdtempSync(join(tmpdir(), "flock-digest-"));
  const names = ["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"];
  for (const name of names) writeFileSync(join(dir, name), name);
  const digests = new ModelDigests();
  const path = join(dir, names[0] ?? "");
  const sha = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");
  expect((await whole(digests, path))?.parts).toEqual(names.map((name) => ({ name, bytes: 21, sha256: sha(name) })));
  writeFileSync(path, "changed");
  expect((await whole(digests, path))?.parts?.[0]).toMatchObject({ bytes: 7, sha256: sha("changed") });
  rmSync(join(dir, names[1] ?? ""));
  expect(await whole(digests, path)).toBeNull();
  rmSync(dir, { recursive: true });
});
