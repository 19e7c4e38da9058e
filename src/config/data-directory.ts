import { isAbsolute, join, resolve } from "node:path";
import type { ConfigInput, Origin } from "./load.ts";

/** The data directory, known before the file in it is. Apart from `load.ts`, which light commands need not load. */
export function dataDirectory(input: ConfigInput): { readonly path: string; readonly origin: Origin } {
  const flag = input.flags["data-dir"];
  const variable = input.env["FLOCK_DATA_DIR"];
  const given = flag ?? (variable === "" ? undefined : variable);
  if (given === undefined) return { path: join(input.home, ".flock"), origin: { source: "default", detail: "" } };
  const origin: Origin =
    flag === undefined ? { source: "env", detail: "FLOCK_DATA_DIR" } : { source: "flag", detail: "--data-dir" };
  return { path: expandHome(given, input.home, input.cwd), origin };
}

/** An absolute path: `~` is the home directory, anything relative counts from `base`. */
export function expandHome(path: string, home: string, base: string): string {
  if (path === "~") return home;
  if (path.startsWith("~/")) return join(home, path.slice(2));
  return isAbsolute(path) ? resolve(path) : resolve(base, path);
}
