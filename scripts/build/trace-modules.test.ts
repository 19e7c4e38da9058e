import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { traceModules } from "./trace-modules.ts";

const base = mkdtempSync(join(tmpdir(), "flock-trace-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(base, name, ".."), { recursive: true });
    writeFileSync(join(base, name), text);
  }
}

test("finds what is imported, late or by require, and nothing else", () => {
  write({
    "entry.js": `import "./a.js"; export * from "both"; import fs from "node:fs"; import "left-out/x";
      export const late = () => import("./late.js"); try { await import("not-installed") } catch {}`,
    "a.js": `import { createRequire } from "node:module"; import "./entry.js";`,
    "late.js": `export default 1;`,
    "unused.js": ``,
    "both.d.ts": ``,
    "node_modules/both/package.json": `{"exports": {"import": "./esm.mjs", "require": "./proxy.cjs"}}`,
    "node_modules/both/esm.mjs": `import "uses-both";`,
    "node_modules/both/proxy.cjs": `module.exports = require("./real.cjs");`,
    "node_modules/both/real.cjs": `function once() { return require("./data.json"); }`,
    "node_modules/both/data.json": `{}`,
    "node_modules/uses-both/package.json": `{"main": "main.js"}`,
    "node_modules/uses-both/main.js": `module.exports = require("both");`,
    "node_modules/left-out/x.js": ``,
  });
  const found = [...traceModules(join(base, "entry.js"), [/^left-out\//])].map((path) => relative(base, path));
  expect(found.toSorted()).toEqual([
    "a.js",
    "entry.js",
    "late.js",
    "node_modules/both/data.json",
    "node_modules/both/esm.mjs",
    "node_modules/both/proxy.cjs",
    "node_modules/both/real.cjs",
    "node_modules/uses-both/main.js",
  ]);
});
