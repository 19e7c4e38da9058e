import { cpSync, existsSync, mkdirSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { bundleEngineChild } from "./compile-program.ts";
import { traceModules } from "./trace-modules.ts";

const LIBRARY = "node_modules/node-llama-cpp";
/** Read by the library besides its modules. Its sources of llama.cpp (34 MB) are for compiling, which Flock never does. */
const LIBRARY_DATA = ["llama/binariesGithubRelease.json", "llama/llama.cpp.info.json"];
/** The platform's own build is copied whole; reflink is for copying downloads, which the engine never makes. */
const NOT_FOLLOWED = [/^@node-llama-cpp\//, /^@reflink\//];

/**
 * Fills `engine/`: the child, and of its packages exactly the files that it can load. Gives the package files in it,
 * relative to the checkout.
 */
export async function writeEngine(root: string, enginePackage: string, from: string, to: string): Promise<string[]> {
  const bundled = await bundleEngineChild(root, to);
  // Not bundled: the library checks its binary in a process of its own, by the path of one of its modules.
  const traced = [...traceModules(join(root, LIBRARY, "dist/index.js"), NOT_FOLLOWED)];
  const modules = traced.map((path) => relative(root, path));
  // The package's manifest, and any between it and the module: they say how the module is written.
  const manifests = modules.flatMap((path) => {
    const folders: string[] = [];
    const top = packageOf(path);
    for (let at = dirname(path); at.length >= top.length; at = dirname(at)) folders.push(join(at, "package.json"));
    return folders;
  });
  const data = LIBRARY_DATA.map((path) => join(LIBRARY, path));
  for (const path of new Set([...modules, ...manifests, ...data])) {
    if (!existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(to, path)), { recursive: true });
    cpSync(join(root, path), join(to, path));
  }
  cpSync(from, join(to, "node_modules", enginePackage), {
    recursive: true,
    filter: (path) => basename(path) !== "README.md",
  });
  return [...bundled, ...modules];
}

/** `node_modules/a/node_modules/@b/c` of a file in it. */
export function packageOf(path: string): string {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? "";
}
