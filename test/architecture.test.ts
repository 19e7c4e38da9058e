import { expect, test } from "bun:test";
import { dirname, join, normalize, relative } from "node:path";

const SRC = join(import.meta.dir, "../src");

/** What every engine's folder may see, beside itself. */
const DRIVER = [
  "core",
  "wire",
  "dialect",
  "engine/driver.ts",
  "engine/ask-engine.ts",
  "engine/lacking-ability.ts",
  "engine/fit.ts",
  "engine/remote-media.ts",
];

/**
 * Who may import whom, by folder below `src/`. A new arrow is a reviewed edit to this table. A folder may always import
 * itself. `a/b` beats `a` where both are listed.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  catalog: ["core"],
  wire: ["core"],
  http1: ["core"],
  config: ["core"],
  dialect: ["core", "wire"],
  routing: ["core"],
  tenancy: ["core", "store"],
  store: ["core", "telemetry/journal-file.ts", "telemetry/journal-line.ts"],
  health: ["core", "engine/driver.ts"],
  jobs: ["core", "store"],
  telemetry: ["core"],
  gateway: ["core", "wire", "dialect", "engine/driver.ts"],
  "engine/driver.ts": ["core"],
  // Runs in a process of its own: what the gateway knows of engines is not its business.
  "engine/embedded": [...DRIVER, "engine/llama-cpp"],
  "engine/llama-cpp": DRIVER,
  "engine/ollama": DRIVER,
  "engine/mlx": DRIVER,
  "engine/vllm": [...DRIVER, "engine/llama-cpp/metrics-text.ts"],
  "engine/ask-engine.ts": ["core", "engine/driver.ts"],
  "engine/lacking-ability.ts": ["core"],
  "engine/remote-media.ts": ["core", "engine/driver.ts"],
  "engine/fit.ts": ["core"],
  "engine/registry.ts": ["core", "engine"],
  "engine/progress.ts": ["core", "engine"],
  cluster: ["core", "engine/driver.ts", "http1"],
  // The leader's half: what it knows of nodes must outlive it. Agents never load it.
  "cluster/registry": ["core", "cluster", "store", "placement"],
  placement: ["core"],
  agent: ["core", "cluster", "engine"],
  // What a worker is besides its agent: its end of the link to the leader.
  worker: ["core", "cluster"],
  leader: ["core", "cluster", "config", "http/server-env.ts", "http1"],
  http: ["core", "dialect", "gateway"],
  "http/admin": ["core", "dashboard", "wire", "catalog/entry.ts"],
  dashboard: ["http/admin"],
  cli: ["core", "config", "http/admin", "../package.json"],
  // The only places that see everything.
  compose: ["*"],
  "main.ts": ["*"],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Every relative import of every module, tests and fixtures aside, as paths below `src/`. */
async function imports(): Promise<Import[]> {
  const found: Import[] = [];
  for await (const file of new Bun.Glob("**/*.{ts,tsx}").scan(SRC)) {
    if (/\.test\.tsx?$|(^|\/)fixtures\/|\/test-[\w-]+\.ts$/.test(file)) continue;
    const text = await Bun.file(join(SRC, file)).text();
    for (const match of text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g)) {
      found.push({ from: file, to: relative(SRC, normalize(join(SRC, dirname(file), match[1] ?? ""))) });
    }
  }
  return found;
}

/** The most particular entry of the table that covers a path. */
function entryOf(path: string): string {
  const covering = Object.keys(MAY_IMPORT).filter((entry) => path === entry || path.startsWith(`${entry}/`));
  return covering.sort((a, b) => b.length - a.length)[0] ?? "";
}

function covers(target: string, path: string): boolean {
  return target === "*" || path === target || path.startsWith(`${target}/`);
}

test("every import follows the table", async () => {
  const all = await imports();
  expect(all.length).toBeGreaterThan(100);
  const wrong = all.filter(({ from, to }) => {
    const entry = entryOf(from);
    if (entry === "") return true;
    if (entryOf(to) === entry) return false;
    return !(MAY_IMPORT[entry] ?? []).some((target) => covers(target, to));
  });
  expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
});

test("imports name the file with its ending, and there are no barrels or default exports", async () => {
  const all = await imports();
  expect(all.filter(({ to }) => !/\.\w+$/.test(to))).toEqual([]);
  const barrels: string[] = [];
  for await (const file of new Bun.Glob("**/*.{ts,tsx}").scan(SRC)) {
    const text = await Bun.file(join(SRC, file)).text();
    if (/(^|\/)index\.tsx?$/.test(file) || /^export \*/m.test(text) || /^export default/m.test(text))
      barrels.push(file);
  }
  expect(barrels).toEqual([]);
});

test("the environment is read in the configuration and at the entries of processes only", async () => {
  const readers: string[] = [];
  for await (const file of new Bun.Glob("**/*.ts").scan(SRC)) {
    if (/\.test\.ts$|(^|\/)fixtures\//.test(file)) continue;
    const text = (await Bun.file(join(SRC, file)).text()).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    if (/\bprocess\.env\b|\bBun\.env\b/.test(text)) readers.push(file);
  }
  const entries = ["main.ts", "config/load.ts", "engine/embedded/child.ts"];
  expect(readers.filter((file) => !entries.includes(file))).toEqual([]);
});
