import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { err, ok, type Result } from "../../src/core/result.ts";

/** 50 MB over a slow line. */
const LIMIT_MS = 600_000;

interface Locked {
  readonly version: string;
  readonly integrity: string;
}

/**
 * Gives the folder of a package at the lockfile's version: the installed one where `proof` (a file of it) is there, else
 * one fetched by npm, whose bytes must have the lockfile's hash. npm installs only what fits the machine it runs on, so
 * the packages of other platforms come this way.
 */
export async function npmPackage(root: string, name: string, proof: string): Promise<Result<string, string>> {
  const locked = lockedPackage(root, name);
  if (locked === null) return err(`${name} does not stand in package-lock.json`);
  const installed = join(root, "node_modules", name);
  if (versionOf(installed) === locked.version && existsSync(join(installed, proof))) return ok(installed);
  const cache = join(root, "node_modules/.cache/flock-build");
  const kept = join(cache, `${name.replace("/", "+")}@${locked.version}`);
  if (existsSync(join(kept, proof))) return ok(kept);
  mkdirSync(cache, { recursive: true });
  const aside = mkdtempSync(join(cache, "fetch-"));
  try {
    const fetched = await fetchPackage(`${name}@${locked.version}`, locked, aside);
    if (!fetched.ok) return fetched;
    if (!existsSync(join(fetched.value, proof))) return err(`${name} came without ${proof}`);
    rmSync(kept, { recursive: true, force: true });
    renameSync(fetched.value, kept);
    return ok(kept);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

async function fetchPackage(spec: string, locked: Locked, aside: string): Promise<Result<string, string>> {
  const packed = await run(
    ["npm", "pack", spec, "--ignore-scripts", "--loglevel=error", "--pack-destination", aside],
    aside,
  );
  if (packed.code !== 0) return err(`npm pack ${spec} failed: ${npmError(packed.stderr) || `code ${packed.code}`}`);
  const archive = join(aside, basename(lastLine(packed.stdout)));
  const [algorithm = "", expected] = locked.integrity.split(/-(.*)/s);
  const found = createHash(algorithm).update(readFileSync(archive)).digest("base64");
  if (found !== expected) return err(`${spec} is not what package-lock.json says (${algorithm} differs)`);
  const unpacked = await run(["tar", "-xzf", archive], aside);
  if (unpacked.code !== 0) return err(`${spec} cannot be unpacked: ${lastLine(unpacked.stderr)}`);
  return ok(join(aside, "package"));
}

function lockedPackage(root: string, name: string): Locked | null {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Partial<Locked> | undefined>;
  };
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  return version === undefined || integrity === undefined ? null : { version, integrity };
}

function versionOf(folder: string): string | null {
  try {
    return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version;
  } catch {
    return null;
  }
}

async function run(command: string[], cwd: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = Bun.spawn(command, { cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: LIMIT_MS });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** npm begins with a code, `ENOTFOUND` or the like, which says more than its closing lines. */
function npmError(text: string): string {
  return /^npm error (?:code )?(.*)$/m.exec(text)?.[1] ?? "";
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
