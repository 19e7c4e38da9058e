import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { listModelFiles } from "./model-files.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-models-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("models are the gguf files, without later parts, projectors, folders and downloads in progress", () => {
  const names = ["a.gguf", "B.GGUF", "c-00001-of-00002.gguf", "c-00002-of-00002.gguf", "mmproj-a.gguf", "d.gguf.part"];
  for (const name of names) writeFileSync(join(folder, name), "");
  mkdirSync(join(folder, "e.gguf"));
  const found = listModelFiles(folder).map((file) => basename(file.path));
  expect(found.sort()).toEqual(["B.GGUF", "a.gguf", "c-00001-of-00002.gguf"]);
});

test("a models directory that is not there has no models", () => {
  expect(listModelFiles(join(folder, "none"))).toEqual([]);
});
