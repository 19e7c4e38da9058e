import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type?: string };
  readonly author?: string | { readonly name?: string };
  readonly homepage?: string;
  readonly repository?: string | { readonly url?: string };
}

const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;
const RULE = "=".repeat(100);

/** Compiled into llama.cpp's build, whose package brings only its packager's licence. */
const LLAMA_CPP = [
  "llama.cpp and ggml, compiled into the files of @node-llama-cpp",
  "Licence: MIT",
  "https://github.com/ggml-org/llama.cpp",
  "",
  "Copyright (c) 2023 The ggml authors",
  "",
  ...mitText(),
].join("\n");

/**
 * The licences of everything that is in a release, one package after the other. `folders` are the packages' folders;
 * one that names no licence at all is an error.
 */
export function notice(folders: readonly string[]): string {
  const parts = new Map<string, string>();
  for (const folder of folders) {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
    parts.set(`${manifest.name} ${manifest.version}`, describe(folder, manifest));
  }
  const sorted = [...parts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  const head = "Flock contains the following software of others, under the licences that stand with each.\n";
  return [head, ...[...sorted, LLAMA_CPP].map((text) => `${RULE}\n${text}\n`)].join("\n");
}

function describe(folder: string, manifest: Manifest): string {
  const { name, version, author, homepage, repository } = manifest;
  const licence = typeof manifest.license === "object" ? manifest.license.type : manifest.license;
  if (licence === undefined || licence === "") throw new Error(`${name} ${version} names no licence`);
  const files = readdirSync(folder).filter((file) => LICENCE_FILE.test(file));
  const texts = files.toSorted().map((file) => readFileSync(join(folder, file), "utf8").trim());
  const who = typeof author === "object" ? author.name : author;
  const where = homepage ?? (typeof repository === "object" ? repository.url : repository);
  const lines = [`${name} ${version}`, `Licence: ${licence}`];
  if (where !== undefined) lines.push(where);
  if (texts.length === 0 && licence === "MIT") {
    texts.push([`Copyright (c) ${who ?? `the authors of ${name}`}`, "", ...mitText()].join("\n"));
  }
  return [...lines, "", ...texts].join("\n").trimEnd();
}

function mitText(): string[] {
  return [
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated",
    'documentation files (the "Software"), to deal in the Software without restriction, including without limitation',
    "the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and",
    "to permit persons to whom the Software is furnished to do so, subject to the following conditions:",
    "",
    "The above copyright notice and this permission notice shall be included in all copies or substantial portions of",
    "the Software.",
    "",
    'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO',
    "THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE",
    "AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF",
    "CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS",
    "IN THE SOFTWARE.",
  ];
}
