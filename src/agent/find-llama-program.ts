import type { NodeProgram } from "../cluster/process-protocol.ts";
import type { Result } from "../core/result.ts";
import type { AgentOptions } from "./agent-options.ts";
import { findBinary } from "./find-binary.ts";
import { InstalledVersions } from "./install/installed.ts";

/** A program of llama.cpp: where `FLOCK_LLAMA_BIN_DIR` says, else of the version that Flock has pinned, else on the PATH. */
export function findLlamaProgram(
  program: NodeProgram,
  { dataDir, starts, childEnv }: Pick<AgentOptions, "dataDir" | "starts" | "childEnv">,
): Result<string, string> {
  return findBinary(program, {
    named: starts.llamaBinDir,
    variable: "FLOCK_LLAMA_BIN_DIR",
    installed: new InstalledVersions(dataDir).pinnedProgram(program),
    path: childEnv["PATH"] ?? "",
  });
}
