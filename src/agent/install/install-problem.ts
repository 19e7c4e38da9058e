import { codeOf } from "../../core/error-code.ts";
/** Why an install did not come about, and the command that mends it. */
export interface InstallProblem {
  readonly message: string;
  readonly mend: string;
}

/** What the system says of a file that cannot be written. */
export function diskProblem(error: unknown, directory: string): InstallProblem {
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return {
      message: `no space is left for ${directory}`,
      mend: `free some (what was downloaded is kept), then: flock engine install llamacpp`,
    };
  }
  const why = error instanceof Error ? error.message : String(error);
  return { message: `${directory} cannot be written to: ${why}`, mend: `ls -ld ${directory}` };
}
