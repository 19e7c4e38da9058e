import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { catalogDirectories } from "./catalog-directories.ts";
import { openCatalog } from "./open-catalog.ts";

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function directory(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), "flock-catalog-"));
  made.push(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

function entry(id: string, more = ""): string {
  return `id: ${id}
name: A model
family: a
vendor: A
released: 2026-01-31
license: MIT
parameters: { total_b: 1, active_b: 1 }
capabilities: [chat]
sources: {}
engines: [ollama]
sharding: { required: false }
${more === "" ? "fallback: []" : more}
`;
}

test("a broken entry is reported with file and line and skipped, the others are served", async () => {
  const path = directory({
    "good.yaml": entry("good"),
    "wrong.yaml": entry("wrong").replace("chat", "chat, dance").replace("engines:", "colour: red\nengines:"),
    "torn.yaml": "id: torn\nname: [a\n",
    "day.yaml": entry("day").replace("01-31", "02-31"),
    "huge.yaml": entry("huge") + "#".repeat(65_536),
    "other.yaml": entry("another"),
    "README.md": "not an entry",
  });
  const { directory: found, entries, problems } = await openCatalog([path]).read();
  expect(found).toBe(path);
  expect(entries.map(({ id }) => id)).toEqual(["good"]);
  const seen = problems.map(({ file, line, message }) => `${file.slice(path.length + 1)}:${line} ${message}`);
  expect(seen).toEqual([
    "day.yaml:5 released: is no day of the calendar",
    "huge.yaml:null is larger than 64 KiB",
    "other.yaml:null holds another: call it another.yaml",
    expect.stringMatching(/^torn\.yaml:[23] is not valid YAML: /),
    expect.stringMatching(/^wrong\.yaml:8 capabilities\.1: Invalid option/),
    "wrong.yaml:10 colour is no field of an entry",
  ]);
});

test("a missing field is reported where it should stand", async () => {
  const path = directory({ "a.yaml": entry("a").replace("license: MIT\n", "").replace("total_b: 1, ", "") });
  const { problems } = await openCatalog([path]).read();
  expect(problems.map(({ line, message }) => `${line} ${message.split(":")[0]}`)).toEqual([
    "1 license",
    "6 parameters.total_b",
  ]);
});

test("names mean one thing, and a fallback exists and comes to an end", async () => {
  const path = directory({
    "a.yaml": entry("a", "aliases: [b, c, free]\nfallback: [b, nobody]"),
    "b.yaml": entry("b", "fallback: [c]"),
    "c.yaml": entry("c", "aliases: [free]\nfallback: [a, c]"),
  });
  const { entries, problems } = await openCatalog([path]).read();
  expect(entries.map(({ id, aliases = [], fallback }) => [id, aliases, fallback])).toEqual([
    ["a", ["free"], ["b"]],
    ["b", [], ["c"]],
    ["c", [], []],
  ]);
  expect(problems.map(({ message }) => message)).toEqual([
    "the alias b is another model's name already",
    "the alias c is another model's name already",
    "falls back to nobody, which is not in the catalogue",
    "the alias free is another model's name already",
    "falls back to a, which falls back to it in turn",
    "falls back to c, which falls back to it in turn",
  ]);
});

test("the first directory with entries counts, and one that is named is the only one", async () => {
  const empty = directory({});
  const full = directory({ "a.yaml": entry("a") });
  expect((await openCatalog([join(empty, "none"), empty, full]).read()).directory).toBe(full);
  const places = { bundled: full, home: "/home/a" };
  expect(catalogDirectories({ ...places, configured: empty })).toEqual([empty]);
  expect(catalogDirectories({ ...places, configured: "" })).toEqual([
    full,
    "/home/a/.flock/catalog",
    "/usr/local/share/flock/catalog",
    "/usr/share/flock/catalog",
  ]);
  const nothing = await openCatalog([empty]).read();
  expect(nothing).toMatchObject({ directory: null, entries: [] });
  expect(nothing.problems[0]?.message).toContain("FLOCK_CATALOG_DIR");
});

test("a changed directory is read again, an unchanged one is not", async () => {
  const path = directory({ "a.yaml": entry("a") });
  const catalog = openCatalog([path]);
  const first = await catalog.read();
  expect(await catalog.read()).toBe(first);
  writeFileSync(join(path, "b.yaml"), entry("b"));
  expect((await catalog.read()).entries.map(({ id }) => id)).toEqual(["a", "b"]);
  mkdirSync(join(path, "c.yaml"));
  expect((await catalog.read()).problems).toEqual([]);
});

test("a file that expands without end is refused", async () => {
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]", "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]", "c: [*b, *b, *b]"];
  const path = directory({ "bomb.yaml": bomb.join("\n") });
  const { problems } = await openCatalog([path]).read();
  expect(problems).toHaveLength(1);
  expect(problems[0]?.message).toContain("alias");
});
