import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface EngineCounters {
  readonly promptTokensEvaluated: number;
  readonly tokensGenerated: number;
  readonly requestsStarted: number;
  readonly requestsAborted: number;
  readonly sequencesBusy: number;
  readonly evaluating: boolean;
}

export interface RunningEngine {
  readonly pid: number;
  readonly port: number;
  /** `unix`: the socket that leads to its port, where that is on another machine's loopback. */
  counters(unix?: string): Promise<EngineCounters>;
}

/** The embedded engine of a Flock under test, asked directly: its own counters show whether work really stopped. */
export function embeddedEngine(dataDir: string): RunningEngine {
  const directory = join(dataDir, "engines");
  const [file] = readdirSync(directory).filter((name) => name.endsWith(".json") && !name.includes("ready"));
  if (file === undefined) throw new Error("no engine has a state file");
  const { pid, port, secret } = JSON.parse(readFileSync(join(directory, file), "utf8")) as Record<
    string,
    string | number
  >;
  return {
    pid: Number(pid),
    port: Number(port),
    async counters(unix) {
      const answer = await fetch(`http://127.0.0.1:${port}/counters`, {
        headers: { authorization: `Bearer ${secret}` },
        ...(unix === undefined ? {} : { unix }),
      });
      return (await answer.json()) as EngineCounters;
    },
  };
}
