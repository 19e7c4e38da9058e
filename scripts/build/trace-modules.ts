import { readFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { dirname } from "node:path";

/**
 * Every file that a module can load, itself included: what it imports, also when it does so late, and what that imports
 * in turn. Packages in `leaveOut`, and optional ones that are not installed, are not followed. A bundler's own list will
 * not do: it drops modules that only pass others on, and unbundled code loads those as well.
 */
export function traceModules(entry: string, leaveOut: readonly RegExp[]): ReadonlySet<string> {
  const seen = new Set<string>([entry]);
  const scanner = new Bun.Transpiler({ loader: "js" });
  // A set gives what is added to it while it is walked.
  for (const file of seen) {
    if (!/\.[cm]?js$/.test(file)) continue;
    const source = readFileSync(file, "utf8");
    for (const { path: wanted, kind } of scanner.scanImports(source)) {
      if (isBuiltin(wanted) || wanted.startsWith("bun:") || leaveOut.some((pattern) => pattern.test(wanted))) continue;
      const found = resolve(wanted, file, kind);
      if (found !== null) seen.add(found);
    }
  }
  return seen;
}

/** A package may have one file for `import` and another for `require`. */
function resolve(wanted: string, from: string, kind: Bun.ImportKind): string | null {
  try {
    if (kind.startsWith("require")) return createRequire(from).resolve(wanted);
    return Bun.resolveSync(wanted, dirname(from));
  } catch {
    return null;
  }
}
