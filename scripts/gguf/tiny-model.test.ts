import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeTinyModel, writeTinyModel } from "./tiny-model.ts";

test("the same arguments give the same bytes, another seed others", () => {
  const bytes = (seed: number): Buffer => Buffer.from(encodeTinyModel({ kind: "random", seed }));
  expect(bytes(1).equals(bytes(1))).toBe(true);
  expect(bytes(1).equals(bytes(2))).toBe(false);
});

test("a text that repeats a word is refused by name", () => {
  expect(() => encodeTinyModel({ kind: "says", text: "to be or not to be" })).toThrow('"be" stands twice');
});

test("a file is written whole, with nothing left beside it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "flock-gguf-"));
  try {
    const path = join(directory, "tiny.gguf");
    await writeTinyModel(path, { kind: "says", text: "one two" });
    await writeTinyModel(path, { kind: "says", text: "three four" });
    expect(readdirSync(directory)).toEqual(["tiny.gguf"]);
    expect(readFileSync(path).subarray(0, 8)).toEqual(Buffer.from("GGUF\x03\0\0\0"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
