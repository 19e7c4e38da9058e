import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../core/result.ts";
import { leaderInfo } from "./control-client.ts";
import type { LeaderInfo } from "./control-protocol.ts";
import { controlSocketPath } from "./control-socket-path.ts";
import type { StartProblem } from "./start-problem.ts";

export interface ControlSocket {
  close(): void;
}

const CLAIM_STALE_MS = 10_000;

/**
 * One leader a data directory. The socket is both the lock and the way to ask and stop the leader: it answers as long
 * as the process lives, and a dead one's file is replaced. Whoever may read the directory may use it; no key is needed.
 */
export async function openControlSocket(
  dataDir: string,
  info: () => LeaderInfo,
  shutdown: () => void,
): Promise<Result<ControlSocket, StartProblem>> {
  const path = controlSocketPath(dataDir);
  const claim = join(dataDir, ".starting");
  if (!takeClaim(claim)) return err(running(dataDir, "another start is under way"));
  try {
    const other = await leaderInfo(dataDir, AbortSignal.timeout(3_000));
    if (other) return err(running(dataDir, `process ${other.pid} serves it at ${other.url}`));
    rmSync(path, { force: true });
    const server = Bun.serve({
      unix: path,
      fetch(request) {
        const { pathname } = new URL(request.url);
        if (request.method === "GET" && pathname === "/v1/info") return Response.json(info());
        if (request.method === "POST" && pathname === "/v1/shutdown") {
          shutdown();
          return Response.json({ stopping: true }, { status: 202 });
        }
        return Response.json({ error: "unknown path" }, { status: 404 });
      },
    });
    return ok({
      close() {
        void server.stop(true);
        rmSync(path, { force: true });
      },
    });
  } finally {
    rmSync(claim, { force: true });
  }
}

/** Two starts at the same moment must not both find the old socket dead and replace it. */
function takeClaim(path: string): boolean {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = openSync(path, "wx", 0o600);
      writeSync(file, String(process.pid));
      closeSync(file);
      return true;
    } catch {
      if (!isStale(path)) return false;
      rmSync(path, { force: true });
    }
  }
  return false;
}

function isStale(path: string): boolean {
  try {
    if (Date.now() - statSync(path).mtimeMs > CLAIM_STALE_MS) return true;
    process.kill(Number(readFileSync(path, "utf8")), 0);
    return false;
  } catch (cause) {
    return !(cause instanceof Error && "code" in cause && cause.code === "EPERM");
  }
}

function running(dataDir: string, detail: string): StartProblem {
  return {
    kind: "already_running",
    message: `Flock is already running on ${dataDir}: ${detail}`,
    mend: "flock status   # or: flock down",
  };
}
