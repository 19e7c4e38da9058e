import { closeSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { startToken } from "../cluster/process-identity.ts";
import { nodeProcess, type NodeProcess, type NodeProgram, type ProcessStart } from "../cluster/process-protocol.ts";
import { wait } from "../core/wait.ts";
import { err, ok, type Result } from "../core/result.ts";
import { writePrivateFile } from "../core/private-file.ts";
import { adoptChild, type Child, spawnChild } from "./child-process.ts";
import { engineLogPath, openLog, tailLog } from "./log-file.ts";

export interface ProcessRefusal {
  readonly status: 404 | 409 | 502;
  readonly message: string;
  readonly mend: string;
}

export interface NodeProcessesParts {
  readonly dataDir: string;
  readonly find: (program: NodeProgram) => Result<string, string>;
  readonly env: Readonly<Record<string, string>>;
  readonly freePort: () => number;
}

const STOP_GRACE_MS = 5_000;
const POLL_MS = 25;
const ADOPTED_POLL_MS = 250;

const record = z.strictObject({ ...nodeProcess.shape, processStart: z.string().nullable() });

/**
 * Programs that the leader wants on this node besides engines. Like engines they outlive the agent; unlike them nobody
 * starts them again when they end: whoever asked for one knows what to do then.
 */
export class NodeProcesses {
  readonly #parts: NodeProcessesParts;
  readonly #folder: string;
  readonly #running = new Map<string, { readonly about: NodeProcess; readonly child: Child }>();
  /** Ids that are being started or stopped. */
  readonly #busy = new Set<string>();

  /** Takes over what an agent before this one started. */
  constructor(parts: NodeProcessesParts) {
    this.#parts = parts;
    this.#folder = join(parts.dataDir, "processes");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#folder)) this.#adopt(join(this.#folder, name));
  }

  list(): NodeProcess[] {
    return [...this.#running.values()].map(({ about }) => about);
  }

  /** Answers when it listens. The same again gives the one that runs. */
  async start(wish: ProcessStart, signal: AbortSignal): Promise<Result<NodeProcess, ProcessRefusal>> {
    const { id, program, args } = wish;
    const there = this.#running.get(id)?.about;
    if (there !== undefined) {
      if (there.program === program && there.args.join("\0") === args.join("\0")) return ok(there);
      return err(refusal(409, `${id} runs already, with other arguments`, "POST /v1/process/stop first"));
    }
    if (this.#busy.has(id)) return err(refusal(409, `${id} is just being started or stopped`, "try again"));
    const binary = this.#parts.find(program);
    if (!binary.ok)
      return err(refusal(409, `${program} cannot be started: ${binary.error}`, `flock engine install llamacpp`));
    this.#busy.add(id);
    try {
      return await this.#launch(wish, binary.value, signal);
    } finally {
      this.#busy.delete(id);
    }
  }

  async stop(id: string): Promise<Result<void, ProcessRefusal>> {
    const running = this.#running.get(id);
    if (running === undefined) return err(refusal(404, `there is no process ${id} on this node`, "GET /v1/process"));
    await running.child.terminate(STOP_GRACE_MS);
    return ok(undefined);
  }

  logs(id: string, lines: number): string[] {
    return tailLog(this.#logPath(id), lines);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.stop(id)));
  }

  /** They run on, for the next agent. */
  release(): void {
    for (const { child } of this.#running.values()) child.release();
    this.#running.clear();
  }

  async #launch(
    { id, program, args, readyTimeoutMs }: ProcessStart,
    binary: string,
    signal: AbortSignal,
  ): Promise<Result<NodeProcess, ProcessRefusal>> {
    const { dataDir, env, freePort } = this.#parts;
    const port = freePort();
    const logFd = openLog(this.#logPath(id));
    let child: Child;
    try {
      const place = ["--host", "127.0.0.1", "--port", String(port)];
      child = spawnChild({ command: binary, args: [...place, ...args], env, cwd: dataDir, logFd });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return err(refusal(502, `${program} cannot be started: ${why}`, "flock doctor   # on that machine"));
    } finally {
      closeSync(logFd);
    }
    const about: NodeProcess = { id, program, args, pid: child.pid, port };
    writePrivateFile(this.#path(id), JSON.stringify({ ...about, processStart: startToken(child.pid) }));
    this.#keep(about, child);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(readyTimeoutMs)]);
    while (this.#running.has(id)) {
      if (await listens(port)) return ok(about);
      if (limit.aborted) {
        await child.terminate(STOP_GRACE_MS);
        return err(
          refusal(502, `${program} did not listen within ${readyTimeoutMs} ms`, `GET /v1/process/logs?id=${id}`),
        );
      }
      await wait(POLL_MS, limit);
    }
    const last = this.logs(id, 1)[0] ?? "";
    return err(
      refusal(
        502,
        `${program} ended before it listened${last === "" ? "" : `: ${last}`}`,
        `GET /v1/process/logs?id=${id}`,
      ),
    );
  }

  #keep(about: NodeProcess, child: Child): void {
    this.#running.set(about.id, { about, child });
    void child.exited.then(() => {
      if (this.#running.get(about.id)?.child !== child) return;
      this.#running.delete(about.id);
      rmSync(this.#path(about.id), { force: true });
    });
  }

  #adopt(path: string): void {
    const read = record.safeParse(readJson(path));
    if (!read.success || read.data.processStart === null) {
      rmSync(path, { force: true });
      return;
    }
    const { processStart, ...about } = read.data;
    this.#keep(about, adoptChild(about.pid, processStart, ADOPTED_POLL_MS));
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  #logPath(id: string): string {
    return engineLogPath(this.#parts.dataDir, `process-${id}`);
  }
}

/** That somebody takes a connection there; whether it does its work is for those to find out who use it. */
async function listens(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: () => undefined } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

function refusal(status: ProcessRefusal["status"], message: string, mend: string): ProcessRefusal {
  return { status, message, mend };
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}
