// What `npm start`, `npm test` and `flock` need before Bun can run anything. Plain Node on purpose: on a fresh machine
// there is nothing else. Nothing here relies on install scripts (`npm ci --ignore-scripts` gives the same result).
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { machine, type } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { runNpm, withInstallLock } from "./run-npm.mjs";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const modules = join(root, "node_modules");
const stampFile = join(modules, ".flock-installed.json");

/** Prints what to do and ends the process. */
export function fail(what, mend) {
  console.error(`✗ ${what}\n  ${mend}`);
  process.exit(1);
}

function lockHash() {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
}

/** Which packages are there: "none", "run" (what Flock needs to run) or "all" (with the tools for development). */
function installed() {
  const there = packagesOf(join(modules, ".package-lock.json"));
  // npm writes its hidden lockfile last: without it an install was cut short.
  if (there === null) return "none";
  for (const path of Object.keys(there)) if (!existsSync(join(root, path, "package.json"))) return "none";
  try {
    const stamp = JSON.parse(readFileSync(stampFile, "utf8"));
    if (stamp.lock !== lockHash()) return "none";
  } catch {
    // Installed by hand (`npm ci`): npm's own hidden lockfile says what is there.
    if (!asLocked(there)) return "none";
  }
  return existsSync(join(modules, "oxlint")) && existsSync(join(modules, "typescript-compiler")) ? "all" : "run";
}

/** The packages of a lockfile by their paths; null when it cannot be read. */
function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages ?? null;
  } catch {
    return null;
  }
}

/** Nothing of another version, and nothing that Flock runs with is missing. */
function asLocked(there) {
  const wanted = packagesOf(join(root, "package-lock.json")) ?? {};
  const needed = Object.keys(wanted).filter((path) => {
    const { dev, optional, devOptional, peer } = wanted[path];
    return path !== "" && !dev && !optional && !devOptional && !peer;
  });
  const same = Object.keys(there).every((path) => wanted[path]?.version === there[path].version);
  return same && needed.every((path) => there[path] !== undefined);
}

/** The pinned Bun; npm's install scripts move the binary, and some machines have a build of their own (musl, old CPUs). */
export function findBun() {
  const scope = join(modules, "@oven");
  const builds = existsSync(scope) ? readdirSync(scope).map((name) => join(scope, name, "bin", "bun")) : [];
  const candidates = [...builds, join(modules, "bun", "bin", "bun.exe")];
  return candidates.find((path) => existsSync(path) && spawnSync(path, ["--version"]).status === 0) ?? null;
}

/** Installs what is missing and answers with the path of the pinned Bun. `dev`: also what the tests need. */
export async function ensureInstalled({ dev = false, quiet = false } = {}) {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) fail(`Node.js ${process.versions.node} is too old`, "install Node.js 20 or newer");
  if (process.platform === "win32") fail("Windows is not supported", "use WSL2: wsl --install");
  const missing = () => {
    const state = installed();
    return state === "none" || (dev && state === "run");
  };
  let bun = missing() ? null : findBun();
  if (bun === null) {
    await withInstallLock(root, async () => {
      // Somebody else may have installed them meanwhile.
      if (!missing() && findBun() !== null) return;
      if (!quiet) console.error(`▶ installing the packages Flock needs${dev ? " and its tests use" : ""} (once) …`);
      await install(dev);
    });
    bun = findBun();
    if (bun === null)
      fail(`no Bun for ${process.platform}-${process.arch} came with the packages`, "rm -rf node_modules && npm ci");
  }
  const tiny = join(root, "models", "flock-tiny.gguf");
  if (!existsSync(tiny)) {
    const made = spawnSync(bun, [join(root, "scripts", "make-flock-tiny.ts")], { cwd: root, encoding: "utf8" });
    if (made.status !== 0)
      fail(`the bundled model could not be made: ${made.stderr.trim()}`, "bun scripts/make-flock-tiny.ts");
  }
  markReady(bun);
  return bun;
}

/**
 * Lets the script `flock` go to Bun at once from now on. It looks at whether the lockfile is still this one, and whether
 * `node_modules` has changed since: so the name of Bun comes last, and is newer than all of it.
 */
function markReady(bun) {
  const ready = join(modules, ".cache", "flock-ready");
  try {
    mkdirSync(ready, { recursive: true });
    rmSync(join(ready, "bun"), { force: true });
    const aside = (name) => join(ready, `${name}.${process.pid}`);
    copyFileSync(join(root, "package-lock.json"), aside("package-lock.json"));
    renameSync(aside("package-lock.json"), join(ready, "package-lock.json"));
    writeFileSync(aside("bun"), `${relative(root, bun)}\n${type()} ${machine()}\n`);
    renameSync(aside("bun"), join(ready, "bun"));
  } catch {
    // Somebody else's checkout: it works without, only slower.
  }
}

async function install(dev) {
  // Where the tools for development were installed they stay: an install without them would take them away.
  const withTools = dev || existsSync(join(modules, "oxlint"));
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", ...(withTools ? ["--include=dev"] : [])];
  const problem = await runNpm(args, root);
  if (problem !== null) fail(problem.what, problem.mend);
  mkdirSync(modules, { recursive: true });
  writeFileSync(stampFile, JSON.stringify({ lock: lockHash() }));
}
