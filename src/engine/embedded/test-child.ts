import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTinyModel, type TinyModelOptions, type TinyWeights } from "../../../scripts/gguf/tiny-model.ts";
import type { Counters } from "./counters.ts";

/** A real engine process for tests, on a tiny model in a directory of its own. */
export interface TestChild {
  readonly url: string;
  readonly secret: string;
  readonly modelPath: string;
  readonly readyFile: string;
  readonly process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly post: (path: string, body: unknown, signal?: AbortSignal) => Promise<Response>;
  readonly get: (path: string) => Promise<Response>;
  /**
   * Time that the engine has computed, on all its threads: unlike the time that passed, it does not grow with what else
   * this machine does. Where the system does not tell it, the time that passed.
   */
  readonly workedMs: () => number;
  readonly counters: () => Promise<Counters & { readonly evaluating: boolean }>;
  /** Ends the process and removes its directory. */
  readonly stop: () => Promise<void>;
}

export interface TestChildOptions extends TinyModelOptions {
  readonly slots?: number;
  /** Tokens of one sequence; absent: the model's own. */
  readonly windowTokens?: number;
}

const READY_TIMEOUT_MS = 20_000;
const CHILD = join(import.meta.dir, "child.ts");

export async function startTestChild(weights: TinyWeights, options: TestChildOptions = {}): Promise<TestChild> {
  const directory = mkdtempSync(join(tmpdir(), "flock-engine-"));
  const modelPath = join(directory, "tiny.gguf");
  const readyFile = join(directory, "ready.json");
  await writeTinyModel(modelPath, weights, options);
  const secret = crypto.randomUUID();
  const child = spawnChild([modelPath], {
    FLOCK_ENGINE_SECRET: secret,
    FLOCK_ENGINE_READY_FILE: readyFile,
    FLOCK_ENGINE_SLOTS: String(options.slots ?? 1),
    FLOCK_ENGINE_CONTEXT: String(options.windowTokens ?? 0),
  });
  const headers = { authorization: `Bearer ${secret}`, "content-type": "application/json" };
  const url = await untilReady(child, readyFile);
  const get = (path: string): Promise<Response> => fetch(`${url}${path}`, { headers });
  return {
    url,
    secret,
    modelPath,
    readyFile,
    process: child,
    get,
    post: (path, body, signal) =>
      fetch(`${url}${path}`, {
        method: "POST",
        headers,
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...(signal ? { signal } : {}),
      }),
    workedMs: () => threadsMs(child.pid) ?? performance.now(),
    counters: async () => (await (await get("/counters")).json()) as Counters & { evaluating: boolean },
    stop: async () => {
      child.kill("SIGKILL");
      await child.exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Starts child.ts with one thread and nothing of this process's environment but what the test gives. */
export function spawnChild(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Bun.Subprocess<"ignore", "ignore", "pipe"> {
  return Bun.spawn([process.execPath, CHILD, ...args], {
    env: { FLOCK_ENGINE_THREADS: "1", FLOCK_ENGINE_GPU: "off", ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
}

/** Polls until `condition` gives something; a test that waits for what never comes fails with `what`. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | false> | T | false,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const value = await condition();
    if (value !== false) return value;
    await Bun.sleep(5);
  }
  throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
}

async function untilReady(child: Bun.Subprocess<"ignore", "ignore", "pipe">, readyFile: string): Promise<string> {
  const url = await until(
    "the engine listens",
    () => {
      if (child.exitCode !== null) throw new Error(`the engine ended with exit code ${child.exitCode}`);
      try {
        const { port } = JSON.parse(readFileSync(readyFile, "utf8")) as { port: number };
        return `http://127.0.0.1:${port}`;
      } catch {
        return false;
      }
    },
    READY_TIMEOUT_MS,
  );
  await until("the model is loaded", async () => (await fetch(`${url}/health`)).ok, READY_TIMEOUT_MS);
  return url;
}

/** Linux: nanoseconds on a core come first in each thread's file. */
function threadsMs(pid: number): number | null {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map((id) =>
      Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]),
    );
    return nanoseconds.reduce((sum, time) => sum + time, 0) / 1e6;
  } catch {
    return null;
  }
}
