import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "./load.ts";

const root = mkdtempSync(join(tmpdir(), "flock-node-file-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let homes = 0;
function load(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
  const home = join(root, `home${homes++}`);
  mkdirSync(join(home, ".flock"), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, ".flock", name), text, { mode: 0o600 });
  return loadConfig({ env, flags: {}, cwd: home, home });
}

test("a node's own engine keys come before the shared file's, and after the environment", async () => {
  const files = {
    "config.yaml": "engine:\n  preferred: ollama\n  mlx_concurrency: 2\nlog_level: warn\n",
    "node.yaml": "engine:\n  preferred: vllm\n  vllm_endpoint: http://127.0.0.1:8001\n",
  };
  const loaded = await load(files, { FLOCK_VLLM_ENDPOINT: "http://10.0.0.1:8000" });
  expect(loaded).toMatchObject({
    ok: true,
    value: {
      values: {
        log_level: "warn",
        engine: { preferred: "vllm", vllm_endpoint: "http://10.0.0.1:8000", mlx_concurrency: 2 },
      },
      origin: { "engine.preferred": { source: "file", detail: expect.stringContaining("node.yaml:2:14") } },
    },
  });
});

const wrong: [string, string, string, string][] = [
  ["a key of the whole of Flock", "listen: :9000\n", ":1:9", "listen is not a setting of one node"],
  ["an unknown key", "engine:\n  prefered: vllm\n", ":2:3", "did you mean engine.preferred?"],
  ["a wrong value", "engine:\n  mlx_concurrency: many\n", ":2:20", "is not a whole number"],
  ["a secret that belongs into the environment", "engine:\n  vllm_api_key: x\n", ":2:3", "is not read from the file"],
];
for (const [name, yaml, place, message] of wrong) {
  test(`${name} is an error with its line`, async () => {
    const loaded = await load({ "node.yaml": yaml });
    const problems = loaded.ok ? [] : loaded.error;
    expect(problems).toHaveLength(1);
    expect(problems[0]?.where).toEndWith(`node.yaml${place}`);
    expect(problems[0]?.message).toContain(message);
  });
}
