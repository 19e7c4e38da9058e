import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Fixtures that were written from documentation or source, because the real thing could not be recorded: by folder, why.
 * A folder whose last one is gone must leave this list, and a new one needs a reason here.
 */
const WRITTEN: Readonly<Record<string, string>> = {
  "ollama-chat": "no Ollama could be had: written from its documentation and the source of 0.33",
  "openai-chat": "what no recorded client or engine says: images in results, refusals, stop strings by name",
  "openai-completions":
    "requests with every field, and log probabilities of a llama-server that was not recorded with them",
};

/** Folders below `src` with fixtures, and the `-doc` ones in each. */
async function docFixtures(): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for await (const folder of new Bun.Glob("**/fixtures").scan({ cwd: join(import.meta.dir, ".."), onlyFiles: false })) {
    const names = readdirSync(join(import.meta.dir, "..", folder)).filter((name) => /-doc\.[\w.]+$/.test(name));
    if (names.length > 0) found.set(folder.split("/").at(-2) ?? folder, names);
  }
  return found;
}

test("every folder with fixtures from documentation stands in the list of gaps, and no other", async () => {
  expect([...(await docFixtures()).keys()].sort()).toEqual(Object.keys(WRITTEN).sort());
});

test("what was recorded is not also written from documentation", async () => {
  for (const [folder, names] of await docFixtures()) {
    const all = readdirSync(join(import.meta.dir, folder, "fixtures"));
    const recorded = all.map((name) => /^(?:[a-z-]+-\d[\d.]*)-(.+?)\.(?:sse|ndjson|body\.json)$/.exec(name)?.[1]);
    const gaps = names.map((name) => name.replace(/^(?:llama-server|vllm)-/, "").replace(/-doc\..*$/, ""));
    expect(gaps.filter((name) => recorded.includes(name))).toEqual([]);
  }
});
