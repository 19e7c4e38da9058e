import { join } from "node:path";
import { err, ok, type Result } from "../core/result.ts";
import { isFile } from "./model-files.ts";

export interface BinaryPlaces {
  /** Named by a setting, a directory or the program itself; "" for none. Then it is the only place. */
  readonly named: string;
  /** The setting's variable, for the error. */
  readonly variable: string;
  /** Of the version that Flock has installed and pinned; null: none. */
  readonly installed: string | null;
  /** The PATH of the engine's environment. */
  readonly path: string;
}

/** Where a program of an engine is: the place that a setting names, else the installed version, else the PATH. */
export function findBinary(program: string, places: BinaryPlaces): Result<string, string> {
  const { named, variable, installed, path } = places;
  if (named !== "") {
    const within = join(named, program);
    if (isFile(within)) return ok(within);
    if (isFile(named)) return ok(named);
    return err(`${variable} is ${named}, but there is no ${program}`);
  }
  if (installed !== null && isFile(installed)) return ok(installed);
  const found = Bun.which(program, { PATH: path });
  return found === null ? err(`no ${program} is installed`) : ok(found);
}
