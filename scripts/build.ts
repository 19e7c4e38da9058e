// bun scripts/build.ts [--platform …]: one folder for each platform, with everything that Flock needs to run there, and
// an archive of it. `npm run build` comes here.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../src/core/result.ts";
import { VERSION } from "../src/cli/version.ts";
import { packFolder, sha256 } from "./build/archive.ts";
import { compileProgram } from "./build/compile-program.ts";
import { packageOf, writeEngine } from "./build/engine-files.ts";
import { folderBytes, megabytes } from "./build/folder-size.ts";
import { notice } from "./build/notice.ts";
import { npmPackage } from "./build/npm-package.ts";
import { parseBuildOptions, USAGE } from "./build/options.ts";
import type { Platform } from "./build/platforms.ts";
import { ensureSigned } from "./build/sign-macho.ts";

const ROOT = join(import.meta.dir, "..");

if (process.argv.includes("--help") || process.argv.includes("-h")) {
  console.log(USAGE);
  process.exit(0);
}
const options = parseBuildOptions(process.argv.slice(2), ROOT);
if (!options.ok) {
  console.error(`✗ ${options.error}\n\n${USAGE}`);
  process.exit(2);
}
const { platforms, outDir, skipMissing, archives } = options.value;
mkdirSync(outDir, { recursive: true });
const sums: string[] = [];
const missing: string[] = [];
for (const platform of platforms) {
  const started = performance.now();
  const name = `flock-${VERSION}-${platform.id}`;
  const folder = join(outDir, name);
  rmSync(folder, { recursive: true, force: true });
  rmSync(`${folder}.tar.gz`, { force: true });
  const built = await buildFolder(platform, folder);
  if (!built.ok) {
    missing.push(platform.id);
    console.error(`${skipMissing ? "!" : "✗"} ${platform.id} is left out: ${built.error}`);
    rmSync(folder, { recursive: true, force: true });
    continue;
  }
  let packed = "";
  if (archives) {
    await packFolder(folder, `${folder}.tar.gz`);
    sums.push(`${await sha256(`${folder}.tar.gz`)}  ${name}.tar.gz`);
    packed = `, ${megabytes(Bun.file(`${folder}.tar.gz`).size)} packed`;
  }
  const engine = folderBytes(join(folder, "engine"));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const parts = `executable ${megabytes(built.value)}, engine ${megabytes(engine)}`;
  console.log(`✔ ${name}: ${megabytes(folderBytes(folder))} (${parts})${packed}, ${seconds} s`);
}
if (archives) writeFileSync(join(outDir, "checksums.txt"), sums.map((line) => `${line}\n`).join(""));
if (missing.length > 0 && !skipMissing) {
  console.error("  Check the network, or build the rest: npm run build -- --skip-missing");
  process.exit(1);
}

/** Gives the executable's size. */
async function buildFolder(platform: Platform, folder: string): Promise<Result<number, string>> {
  const [bun, engine] = await Promise.all([
    npmPackage(ROOT, platform.bunPackage, "bin/bun"),
    npmPackage(ROOT, platform.enginePackage, "bins"),
  ]);
  if (!bun.ok) return err(bun.error);
  if (!engine.ok) return err(engine.error);
  mkdirSync(join(folder, "models"), { recursive: true });
  const executable = join(folder, "flock");
  const compiled = await compileProgram(ROOT, platform, join(bun.value, "bin/bun"), executable);
  if (platform.id.startsWith("darwin-")) ensureSigned(executable, "flock");
  const inEngine = await writeEngine(ROOT, platform.enginePackage, engine.value, join(folder, "engine"));
  for (const file of ["LICENSE", "README.md", "models/flock-tiny.gguf"]) cpSync(join(ROOT, file), join(folder, file));
  cpSync(join(ROOT, "catalog"), join(folder, "catalog"), {
    recursive: true,
    filter: (path) => path === join(ROOT, "catalog") || path.endsWith(".yaml"),
  });
  const packages = [...new Set([...compiled, ...inEngine].map(packageOf))].map((path) => join(ROOT, path));
  writeFileSync(join(folder, "NOTICE"), notice([...packages, bun.value, engine.value]));
  return ok(Bun.file(executable).size);
}
