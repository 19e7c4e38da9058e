import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import type { Platform } from "./platforms.ts";

/** One executable out of the program, its page and its settling thread, joined with the platform's Bun. */
export async function compileProgram(
  root: string,
  platform: Platform,
  bun: string,
  outfile: string,
): Promise<readonly string[]> {
  // Bun writes the source maps beside it as well. Always this deep in the checkout, for their paths stand in them.
  const cache = join(root, "node_modules/.cache/flock-build");
  mkdirSync(cache, { recursive: true });
  const aside = mkdtempSync(join(cache, "compile-"));
  try {
    const built = await Bun.build({
      // A thread is not found by following imports: it is an entry of its own.
      entrypoints: [join(root, "src/main.ts"), join(root, "src/store/settle-worker.ts")],
      // It is asked for by its name alone, see `startSettler`.
      naming: { entry: "[name].[ext]" },
      target: "bun",
      format: "esm",
      minify: true,
      bytecode: true,
      // What is imported late stays apart and unread until then: `flock version` takes 13 ms instead of 33.
      splitting: true,
      // Inside the executable: a stack in the log names our files and lines. They cost nothing until one is printed.
      sourcemap: "linked",
      metafile: true,
      define: { "process.env.NODE_ENV": '"production"' },
      compile: {
        target: platform.target,
        executablePath: bun,
        outfile: join(aside, "flock"),
        // Whatever lies in the folder where somebody calls `flock` must not steer it.
        autoloadDotenv: false,
        autoloadBunfig: false,
      },
    });
    copyFileSync(join(aside, "flock"), outfile);
    return packageFiles(root, built);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** The engine's process as one module beside `node_modules`, which holds what cannot be bundled. */
export async function bundleEngineChild(root: string, outdir: string): Promise<readonly string[]> {
  const built = await Bun.build({
    entrypoints: [join(root, "src/engine/embedded/child.ts")],
    outdir,
    naming: "child.mjs",
    target: "bun",
    format: "esm",
    minify: true,
    metafile: true,
    external: ["node-llama-cpp"],
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return packageFiles(root, built);
}

/** The files of npm packages that went into a build, relative to the checkout. */
function packageFiles(root: string, built: Bun.BuildOutput): readonly string[] {
  // Paths in it are relative to the folder in which the build was started.
  const inputs = Object.keys(built.metafile?.inputs ?? {}).map((path) => relative(root, join(process.cwd(), path)));
  return inputs.filter((path) => path.startsWith("node_modules/")).toSorted();
}
