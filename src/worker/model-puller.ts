import { createReadStream, mkdirSync, renameSync, rmSync, statfsSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { filePath, MODEL_FILES_PATH, type ModelPart, type PullAnswer, type PullBody } from "../cluster/model-files.ts";
import type { LeaderCalls } from "../cluster/node-endpoint.ts";
import type { DirectWay } from "../cluster/ticket.ts";
import { wait } from "../core/wait.ts";
import type { Result } from "../core/result.ts";
import { err, ok } from "../core/result.ts";

export interface ModelPullerParts {
  readonly modelsDir: string;
  readonly calls: Pick<LeaderCalls, "fetch">;
  /** Bytes of a model's file straight from the node that has it; the error says why they cannot be had so. */
  readonly dial: (way: DirectWay, part: number, from: number, signal: AbortSignal) => Promise<Result<Bytes, string>>;
  readonly log: (message: string) => void;
  readonly times: PullTimes;
}

type Bytes = AsyncIterable<Uint8Array>;

export interface PullTimes {
  /** Without a byte for so long the connection is taken for dead. */
  readonly stallMs: number;
  readonly retryMs: readonly [number, number];
  /** Attempts in a row that bring no byte. */
  readonly attempts: number;
}

export const PULL_TIMES: PullTimes = { stallMs: 30_000, retryMs: [500, 10_000], attempts: 8 };

/** Small enough that hashing one piece holds nobody up. */
const DIGEST_BYTES = 512 * 1024;
/** Room that is left on the disk beside the model. */
const SPARE_BYTES = 256 * 1024 * 1024;

interface Pull {
  state: PullAnswer["state"];
  doneBytes: number;
  totalBytes: number;
  problem: string | null;
  way?: NonNullable<PullAnswer["way"]>;
  /** With the newest ticket. */
  direct: DirectWay | null;
}

/**
 * Brings models' files here: straight from the node that has them where the leader gave a way to it, else from the leader
 * or through it. By range, so that what was brought once need not come again after a broken connection or a restart, and
 * under their names only when their checksum is right.
 */
export class ModelPuller {
  readonly #parts: ModelPullerParts;
  readonly #pulls = new Map<string, Pull>();
  readonly #over = new AbortController();

  constructor(parts: ModelPullerParts) {
    this.#parts = parts;
  }

  /** Begins, or tells how far it is. One that failed begins anew. */
  pull(body: PullBody): PullAnswer {
    const key = `${body.model} ${body.parts.map(({ sha256 }) => sha256).join(" ")}`;
    const known = this.#pulls.get(key);
    const { modelsDir } = this.#parts;
    const gone =
      known?.state === "done" && body.parts.some(({ name, bytes }) => sizeOf(join(modelsDir, name)) !== bytes);
    // What was brought and deleted since comes anew.
    if (known !== undefined && !gone) {
      known.direct = body.direct ?? null;
      // Told once; whoever asks again wants it tried again.
      if (known.state === "failed") this.#pulls.delete(key);
      return told(known);
    }
    const totalBytes = body.parts.reduce((sum, { bytes }) => sum + bytes, 0);
    const pull: Pull = { state: "running", doneBytes: 0, totalBytes, problem: null, direct: body.direct ?? null };
    if (pull.direct !== null) pull.way = { direct: true, why: null };
    this.#pulls.set(key, pull);
    void this.#run(body, pull);
    return told(pull);
  }

  stop(): void {
    this.#over.abort();
  }

  async #run(body: PullBody, pull: Pull): Promise<void> {
    try {
      const { modelsDir, log } = this.#parts;
      mkdirSync(modelsDir, { recursive: true });
      const missing = body.parts.filter(({ name, bytes }) => sizeOf(join(modelsDir, name)) !== bytes);
      const needed = missing.reduce((sum, { name, bytes }) => sum + bytes - sizeOf(partial(modelsDir, name)), 0);
      const { bavail, bsize } = statfsSync(modelsDir);
      if (bavail * bsize < needed + SPARE_BYTES) {
        throw new Error(
          `the disk of ${modelsDir} has room for ${mib(bavail * bsize)}, the model takes ${mib(needed)} more`,
        );
      }
      for (const [at, part] of body.parts.entries()) await this.#bring(body, at, part, pull);
      pull.state = "done";
      const way = pull.way?.direct === true ? "straight from" : "through the leader from";
      log(`the model ${body.model} was brought ${way} ${body.from}`);
    } catch (cause) {
      pull.problem = cause instanceof Error ? cause.message : String(cause);
      pull.state = "failed";
      this.#parts.log(`the model ${body.model} could not be brought: ${pull.problem}`);
    }
  }

  async #bring({ model, from }: PullBody, at: number, part: ModelPart, pull: Pull): Promise<void> {
    const { modelsDir, times } = this.#parts;
    const target = join(modelsDir, part.name);
    const temporary = partial(modelsDir, part.name);
    const before = pull.doneBytes;
    if (sizeOf(target) === part.bytes && (await digestOf(target)) === part.sha256) {
      pull.doneBytes = before + part.bytes;
      return;
    }
    const path = `${MODEL_FILES_PATH}${filePath(model, at)}?from=${encodeURIComponent(from)}`;
    const open = (start: number, over: AbortSignal) => this.#open(path, pull, at, start, over);
    let failures = 0;
    let why = "";
    while (sizeOf(temporary) < part.bytes) {
      if (this.#over.signal.aborted) throw new Error("Flock is stopping");
      if (failures >= times.attempts) throw new Error(why);
      const start = sizeOf(temporary);
      pull.doneBytes = before + start;
      why = await this.#append(open, temporary, start, part.bytes, (done) => (pull.doneBytes = before + done));
      if (sizeOf(temporary) > start) failures = 0;
      if (why === "") continue;
      failures += 1;
      await wait(Math.min(times.retryMs[1], times.retryMs[0] * 2 ** failures), this.#over.signal);
    }
    if (sizeOf(temporary) > part.bytes || (await digestOf(temporary)) !== part.sha256) {
      rmSync(temporary, { force: true });
      throw new Error(`${part.name} came with other bytes than it has at ${from}; it was thrown away`);
    }
    // A power cut would leave a file of that name and size without its bytes.
    await flushed(temporary);
    renameSync(temporary, target);
    pull.doneBytes = before + part.bytes;
  }

  /** The bytes of a file from `start` on. The first way that does not work is not tried again for this model. */
  async #open(
    path: string,
    pull: Pull,
    part: number,
    start: number,
    signal: AbortSignal,
  ): Promise<Result<Bytes, string>> {
    if (pull.direct !== null && pull.way?.direct === true) {
      const straight = await this.#parts.dial(pull.direct, part, start, signal);
      if (straight.ok || signal.aborted) return straight;
      pull.way = { direct: false, why: straight.error };
      this.#parts.log(
        `${pull.direct.node} is not reached directly: ${straight.error}; its file comes through the leader`,
      );
    }
    // Only the path counts: the client puts the leader's address before it.
    const request = new Request(`https://leader${path}`, { headers: { range: `bytes=${start}-` } });
    const answer = await this.#parts.calls.fetch(request, signal);
    if (!answer.ok) return err(answer.error.message);
    const { status, body } = answer.value;
    if (status === 206 || (status === 200 && start === 0)) return ok(body ?? NOTHING);
    const text = await answer.value.text().catch(() => "");
    return err(`the leader answered ${status}: ${text.slice(0, 200)}`);
  }

  /** Writes on from `start` up to `end`. Gives why it ended early; "" when it did not. */
  async #append(
    openAt: (start: number, signal: AbortSignal) => Promise<Result<Bytes, string>>,
    file: string,
    start: number,
    end: number,
    progress: (done: number) => void,
  ): Promise<string> {
    const stalled = new AbortController();
    const signal = AbortSignal.any([this.#over.signal, stalled.signal]);
    let timer = setTimeout(() => stalled.abort(), this.#parts.times.stallMs);
    // Never written synchronously: this process carries answers too, and a disk may keep a writer waiting.
    const handle = await open(file, "a", 0o600);
    try {
      const opened = await openAt(start, signal);
      if (!opened.ok) return stalled.signal.aborted ? SILENT : opened.error;
      let done = start;
      for await (const chunk of opened.value) {
        clearTimeout(timer);
        timer = setTimeout(() => stalled.abort(), this.#parts.times.stallMs);
        await writeWhole(handle, chunk);
        done += chunk.length;
        progress(done);
      }
      if (stalled.signal.aborted) return SILENT;
      return done < end ? "the connection broke off" : "";
    } catch (cause) {
      if (stalled.signal.aborted) return SILENT;
      return cause instanceof Error ? cause.message : String(cause);
    } finally {
      clearTimeout(timer);
      await handle.close();
    }
  }
}

const SILENT = "no byte came for too long";
const NOTHING: Bytes = new Blob([]).stream();

function told({ state, doneBytes, totalBytes, problem, way }: Pull): PullAnswer {
  return { state, doneBytes, totalBytes, problem, ...(way === undefined ? {} : { way }) };
}

async function writeWhole(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at)).bytesWritten;
}

async function flushed(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function partial(modelsDir: string, name: string): string {
  return join(modelsDir, `${name}.part`);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function digestOf(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: DIGEST_BYTES })) hasher.update(chunk as Buffer);
  return hasher.digest("hex");
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}
