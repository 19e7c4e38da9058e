import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openCatalog } from "../catalog/open-catalog.ts";
import { CliSandbox } from "./captured-io.ts";
import { type FakeAdminServer, startFakeAdminServer } from "./fake-admin-server.ts";

const { entries } = await openCatalog([join(import.meta.dir, "../../catalog")]).read();
const box = new CliSandbox();
let server: FakeAdminServer;
beforeEach(() => {
  server = startFakeAdminServer();
  server.catalog = { directory: "/srv/catalog", models: [...entries], problems: [] };
  box.write("admin.key", "sk-admin\n");
  box.write("leader.json", JSON.stringify({ pid: process.pid, url: server.url, startedAt: 1, version: "0.1.0" }));
});
afterEach(() => server.stop());
afterAll(() => box.remove());

/** The ids in the order in which they are printed. */
async function found(line: string | readonly string[]): Promise<string[]> {
  const { exitCode, stdout } = await box.run(line);
  expect(exitCode).toBe(0);
  return stdout
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((row) => row.split(" ")[0] ?? "");
}

describe("flock model search", () => {
  test("lists all 37, by id", async () => {
    const ids = await found("model search");
    expect(ids).toHaveLength(37);
    expect(ids).toEqual(ids.toSorted());
  });

  test("every word must fit: id, alias, vendor, licence or ability, in people's words too", async () => {
    expect(await found(["model", "search", "mistral VISION"])).toEqual(["pixtral-12b"]);
    expect(await found("model search embeddings")).toEqual(["nomic-embed-text"]);
    expect(await found("model search coding")).toContain("qwen3-coder-30b");
    expect(await found(["model", "search", "mit moonshot"])).toEqual(["kimi-k2.6-sharded"]);
  });

  test("newest first, from a day on that counts itself", async () => {
    const ids = await found("model search --sort=released --since 2026-06-03");
    expect(ids).toEqual(["nemotron-3-ultra-sharded", "gemma4-12b"]);
    expect((await found("model search --sort size"))[0]).toBe("kimi-k2.6-sharded");
  });

  test("nothing fits: says how to see all", async () => {
    const { exitCode, stdout } = await box.run("model search nonesuch");
    expect(exitCode).toBe(0);
    expect(stdout).toBe("No model in the catalogue fits; `flock model search` lists all 37\n");
  });

  test.each(["yesterday", "2026-02-30", "2026-1-1"])("--since %s is refused", async (since) => {
    const { exitCode, stderr } = await box.run(`model search --since ${since}`);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("flock model search --since 2026-01-31");
  });

  test("what is wrong with the catalogue stands beside the list, never in the document", async () => {
    const problems = [{ file: "/srv/catalog/b.yaml", line: 3, message: "colour is no field of an entry" }];
    server.catalog = { directory: "/srv/catalog", models: [...entries], problems };
    const { stderr } = await box.run("model search gpt");
    expect(stderr).toBe("! /srv/catalog/b.yaml:3: colour is no field of an entry\n");
    const json = await box.run("model search gpt --json");
    expect(json.stderr).toBe("");
    const document = JSON.parse(json.stdout) as { models: { id: string }[]; problems: unknown[] };
    expect(document.models.map(({ id }) => id)).toEqual(["gpt-oss-120b", "gpt-oss-20b"]);
    expect(document.problems).toEqual(problems);
  });
});

describe("flock model info", () => {
  test("finds a model by its other name, and marks what was computed", async () => {
    const { stdout } = await box.run("model info qwen3-coder");
    expect(stdout).toMatch(/^Model +qwen3-coder-30b$/m);
    expect(stdout).toMatch(/^Also called +qwen3-coder$/m);
    expect(stdout).toMatch(/^Memory +~ 24 GB$/m);
    expect(stdout).toMatch(/^Licence +Apache-2\.0$/m);
  });

  test("leaves out what nobody knows", async () => {
    const { stdout } = await box.run("model info moondream3");
    expect(stdout).not.toContain("undefined");
    expect(stdout).not.toMatch(/^(Memory|GGUF|Ollama)/m);
    expect(stdout).toMatch(/^Engines +~ none that Flock can use$/m);
  });

  test("says how to get a model that is one file, and nothing of the kind for one in parts", async () => {
    const get =
      /^Get it: curl -L --fail --create-dirs -o \S+models\/qwen3-8b\.gguf https:\/\/huggingface\.co\/\S+\.gguf$/m;
    expect((await box.run("model info qwen3-8b")).stdout).toMatch(get);
    expect((await box.run("model info gpt-oss-120b")).stdout).not.toContain("Get it");
  });

  test("--json is the entry", async () => {
    const { stdout } = await box.run("model info gpt-oss-20b --json");
    expect(JSON.parse(stdout)).toEqual({ model: entries.find(({ id }) => id === "gpt-oss-20b") });
  });

  test("a model that is not there: exit 5 and the nearest name", async () => {
    const { exitCode, stderr } = await box.run("model info qwen3-codr");
    expect(exitCode).toBe(5);
    expect(stderr).toContain("did you mean qwen3-coder?");
    expect(stderr).toContain("→ flock model search");
  });
});
