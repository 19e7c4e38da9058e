// `npm run engine:gpu [cuda|vulkan]`: puts the GPU build of the embedded engine into node_modules. The lockfile keeps
// these packages out (they weigh up to 540 MB); the embedded engine uses one as soon as it finds it.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, fail, root } from "./ensure-installed.mjs";

await ensureInstalled();
if (process.platform !== "linux" || process.arch !== "x64") {
  fail(
    "GPU builds of the embedded engine exist for Linux x64 only (Metal on a Mac is built in)",
    "run llama-server instead and set FLOCK_ENGINE=llamacpp",
  );
}
const detected = spawnSync("nvidia-smi", ["-L"]).status === 0 ? "cuda" : "vulkan";
const kind = process.argv[2] ?? detected;
if (!["cuda", "vulkan"].includes(kind))
  fail(`there is no build called ${kind}`, "npm run engine:gpu -- cuda   (or vulkan)");

const scope = join(root, "node_modules", "@node-llama-cpp");
const { version } = JSON.parse(readFileSync(join(root, "node_modules", "node-llama-cpp", "package.json"), "utf8"));
const names = kind === "cuda" ? ["linux-x64-cuda", "linux-x64-cuda-ext"] : ["linux-x64-vulkan"];
// A directory of its own: the project's `overrides` would replace these packages by empty ones.
const aside = mkdtempSync(join(root, "node_modules", ".gpu-"));
try {
  console.error(`▶ fetching the ${kind} build ${version} …`);
  const packages = names.map((name) => `@node-llama-cpp/${name}@${version}`);
  const args = ["install", "--prefix", aside, "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", ...packages];
  const result = spawnSync("npm", args, { cwd: aside, stdio: ["ignore", "ignore", "inherit"] });
  if (result.status !== 0) fail("the GPU build could not be fetched", "check the network, then: npm run engine:gpu");
  for (const name of names) {
    const from = join(aside, "node_modules", "@node-llama-cpp", name);
    if (!existsSync(from)) fail(`the package ${name} did not arrive`, "npm run engine:gpu");
    rmSync(join(scope, name), { recursive: true, force: true });
    cpSync(from, join(scope, name), { recursive: true });
  }
} finally {
  rmSync(aside, { recursive: true, force: true });
}
console.log(`✔ the ${kind} build is in place; restart Flock: npm run flock -- down, then npm start`);
