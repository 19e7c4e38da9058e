import { type ConfigFile, readConfigFile } from "./file.ts";
import type { ConfigProblem } from "./problem.ts";

/** What belongs to one machine and not to the whole of Flock. */
const OF_A_NODE = /^engine\./;

/**
 * `node.yaml`: the engines of this machine, in the keys of `config.yaml` and stronger than it. As strict as that file:
 * anything else in it is an error with its line.
 */
export async function readNodeFile(path: string): Promise<ConfigFile> {
  const file = await readConfigFile(path);
  const strangers = file.entries.filter(({ setting }) => !OF_A_NODE.test(setting.key));
  const problems = strangers.map(({ setting: { key }, where }): ConfigProblem => ({
    source: "file",
    where,
    key,
    message: `${key} is not a setting of one node`,
    mend: "Write it into config.yaml; node.yaml holds engine.* only",
  }));
  const entries = file.entries.filter(({ setting }) => OF_A_NODE.test(setting.key));
  return { ...file, entries, problems: [...file.problems, ...problems] };
}
