// Writes the bundled smoke-test model: bun scripts/make-flock-tiny.ts [file]. Does nothing when the file is right already.
import { mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { encodeTinyModel } from "./gguf/tiny-model.ts";
import { writeWhole } from "./gguf/write-gguf.ts";

const SENTENCE =
  "Hello from flock-tiny, the smoke-test model built into Flock: whatever you ask, this one sentence is all it can say.";

const path = resolve(process.argv[2] ?? `${import.meta.dir}/../models/flock-tiny.gguf`);
const bytes = encodeTinyModel(
  { kind: "says", text: SENTENCE },
  // Wide enough for a coding agent's first prompt, in which every character is a token for this vocabulary.
  { name: "flock-tiny", contextTokens: 131_072, smokeTest: true },
);
const existing = Bun.file(path);
const same = existing.size === bytes.length && Buffer.from(await existing.bytes()).equals(bytes);
if (!same) {
  await mkdir(dirname(path), { recursive: true });
  await writeWhole(path, bytes);
}
console.log(`${same ? "unchanged" : "wrote"} ${path} (${(bytes.length / 2 ** 20).toFixed(1)} MiB)`);
