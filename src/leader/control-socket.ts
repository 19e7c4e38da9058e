import { chmodSync, rmSync } from "node:fs";
import { type DirectoryLock, takeDirectoryLock } from "../cluster/directory-lock.ts";
import { wait } from "../core/wait.ts";
import { err, ok, type Result } from "../core/result.ts";
import { controlSocketPath, leaderInfo } from "./control-client.ts";
import type { LeaderInfo } from "./control-protocol.ts";
import type { HandOver } from "./hand-over.ts";
import { explainDirectory } from "./data-directory.ts";
import { readLeaderPid } from "./leader-file.ts";
import { shellQuote } from "../core/shell-quote.ts";
import type { StartProblem } from "./start-problem.ts";

export interface ControlSocket {
  readonly path: string;
  close(): void;
}

/** What may be asked over it. */
export interface ControlHandlers {
  readonly info: () => LeaderInfo;
  /** Settings and environment for a successor, secrets among them. */
  readonly environment: () => unknown;
  readonly shutdown: () => void;
  /** Makes room for a successor. Null: not now. */
  readonly handOver: () => Promise<HandOver | null>;
  /** The successor has its answer: close this socket, so that it can open its own. */
  readonly handedOver: (successorPid: number) => void;
}

/** How long a leader that is just starting may take to answer for its lock. */
const OTHER_ANSWERS_MS = 3_000;
const LOOK_AGAIN_MS = 50;
const LOCK_MS = 20_000;
const LOOK_FOR_LOCK_MS = 10;
const ANSWER_OUT_MS = 20;
/** Bun keeps to this on a Unix socket, but its types say that only TCP has it. */
const NO_IDLE_TIMEOUT: object = { idleTimeout: 0 };

/**
 * One leader a data directory: the kernel's lock is held until this process ends, the socket is the way to ask and stop
 * the leader. Whoever may open the socket may use it; no key is needed.
 */
export async function openControlSocket(
  dataDir: string,
  handlers: ControlHandlers,
  signal: AbortSignal,
  /** The one before is making room: its lock is waited for. */
  takesOver = false,
): Promise<Result<ControlSocket, StartProblem>> {
  const path = controlSocketPath(dataDir);
  if (!path.ok) return err({ kind: "unwritable", message: path.error, mend: "flock up --data-dir DIR" });
  let lock: DirectoryLock | null;
  try {
    lock = takeDirectoryLock(dataDir, "leader");
    const deadline = performance.now() + (takesOver ? LOCK_MS : 0);
    while (lock === null && performance.now() < deadline && !signal.aborted) {
      await wait(LOOK_FOR_LOCK_MS, signal);
      lock = takeDirectoryLock(dataDir, "leader");
    }
  } catch (cause) {
    return err(explainDirectory(dataDir, cause));
  }
  if (lock === null) return err(await whoHolds(dataDir, signal));
  const held = lock;
  try {
    // An earlier leader that was killed left it; nobody listens on it, since the lock is ours.
    rmSync(path.value, { force: true });
    const server = Bun.serve({
      unix: path.value,
      // Making room takes as long as what is running needs to come to rest.
      ...NO_IDLE_TIMEOUT,
      async fetch(request) {
        const { pathname, searchParams } = new URL(request.url);
        if (request.method === "GET" && pathname === "/v1/info") return Response.json(handlers.info());
        if (request.method === "GET" && pathname === "/v1/environment") return Response.json(handlers.environment());
        if (request.method === "POST" && pathname === "/v1/shutdown") {
          handlers.shutdown();
          return Response.json({ stopping: true }, { status: 202 });
        }
        if (request.method === "POST" && pathname === "/v1/hand-over") {
          const handed = await handlers.handOver();
          if (handed === null) return Response.json({ error: "not now" }, { status: 409 });
          // After this answer is out: closing the socket would cut it off.
          setTimeout(() => handlers.handedOver(Number(searchParams.get("successor"))), ANSWER_OUT_MS);
          return Response.json(handed, { headers: { connection: "close" } });
        }
        return Response.json({ error: "unknown path" }, { status: 404 });
      },
    });
    chmodSync(path.value, 0o600);
    return ok({
      path: path.value,
      close() {
        void server.stop(true);
        rmSync(path.value, { force: true });
        held.release();
      },
    });
  } catch (cause) {
    held.release();
    return err(explainDirectory(dataDir, cause));
  }
}

async function whoHolds(dataDir: string, signal: AbortSignal): Promise<StartProblem> {
  const deadline = performance.now() + OTHER_ANSWERS_MS;
  while (performance.now() < deadline && !signal.aborted) {
    const other = await leaderInfo(dataDir, signal);
    if (other?.stopping)
      return running(`Flock on ${dataDir} (pid ${other.pid}) is stopping`, "flock up   # once it has stopped");
    if (other && other.url !== "") {
      return running(
        `Flock is already running on ${dataDir}: process ${other.pid} serves it at ${other.url}`,
        "flock status",
      );
    }
    await wait(LOOK_AGAIN_MS, signal);
  }
  const pid = readLeaderPid(dataDir);
  const who = pid === null ? "another process" : `process ${pid}`;
  return running(
    `${who} holds the data directory ${dataDir} but does not answer`,
    pid === null
      ? `fuser ${shellQuote(dataDir)}/leader.lock   # end that process, then: flock up`
      : `kill -9 ${pid}; flock up`,
  );
}

function running(message: string, mend: string): StartProblem {
  return { kind: "already_running", message, mend };
}
