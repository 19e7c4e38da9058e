import { readFileSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../core/error-code.ts";
import type { LoadedConfig } from "../config/load.ts";
import { localUrl, parseListen } from "../config/listen.ts";
import { ok, err, type Result } from "../core/result.ts";
import { type CliFailure, EXIT, usageFailure } from "./cli-failure.ts";

/** What the leader writes to `<dataDir>/leader.json` when it listens, and removes when it stops. */
export interface LeaderFile {
  readonly pid: number;
  readonly url: string;
  readonly startedAt: number;
  readonly version: string;
}

export interface ServerAddress {
  readonly url: string;
  /**
   * Whether this surely is Flock: named by the user, or by a leader whose process lives. Where it is not sure, the key
   * is shown only after something there answered like Flock: a port can have passed to another program.
   */
  readonly certain: boolean;
}

/** Finds the server: `--url`, else the running leader's file, else the configured address. */
export async function findServer(input: {
  readonly url: string | undefined;
  readonly dataDir: string;
  loadConfig(): Promise<Result<LoadedConfig, CliFailure>>;
}): Promise<Result<ServerAddress, CliFailure>> {
  if (input.url !== undefined) {
    const url = input.url.replace(/\/+$/, "");
    const valid = /^https?:\/\//i.test(url) && URL.canParse(url);
    if (!valid) return err(usageFailure(`--url ${input.url} is not a URL`, "--url http://127.0.0.1:8080"));
    // What OpenAI's clients are told; the admin API is beside it.
    if (new URL(url).pathname === "/v1") {
      const base = url.slice(0, -"/v1".length);
      return err(
        usageFailure(`--url ${input.url} is the clients' URL; commands take the one without /v1`, `--url ${base}`),
      );
    }
    return ok({ url, certain: true });
  }
  const leader = readLeaderFile(input.dataDir);
  if (leader !== null) return ok({ url: leader.url, certain: isAlive(leader.pid) });
  const config = await input.loadConfig();
  if (!config.ok) return config;
  const { listen, tls } = config.value.values;
  const address = parseListen(listen);
  if (address === null || address.port === 0) return err(notRunning(null));
  return ok({ url: localUrl(address, tls.cert === "" ? "http" : "https"), certain: false });
}

/** Null when there is none, or none that can be read: then no leader has come as far as listening. */
function readLeaderFile(dataDir: string): LeaderFile | null {
  try {
    const leader: unknown = JSON.parse(readFileSync(join(dataDir, "leader.json"), "utf8"));
    if (typeof leader !== "object" || leader === null) return null;
    const { pid, url, startedAt, version } = leader as Record<string, unknown>;
    if (typeof pid !== "number" || typeof url !== "string" || !URL.canParse(url)) return null;
    return {
      pid,
      url: url.replace(/\/+$/, ""),
      startedAt: typeof startedAt === "number" ? startedAt : 0,
      version: typeof version === "string" ? version : "",
    };
  } catch {
    return null;
  }
}

export function notRunning(url: string | null): CliFailure {
  const where = url === null ? "" : ` at ${url}`;
  return { exitCode: EXIT.notRunning, message: `Flock is not running${where}`, mend: "flock up", code: "not_running" };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of somebody else is alive too.
    return codeOf(error) === "EPERM";
  }
}
