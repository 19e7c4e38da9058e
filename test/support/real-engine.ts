import { accessSync, constants, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { poll } from "./start-flock.ts";

/**
 * A program of somebody else's engine: named by its variable (a file, or a folder that holds it), else on the PATH. Null:
 * it is not here, and what needs it is skipped by name.
 */
export function findEngine(variable: string, program: string): string | null {
  const named = process.env[variable];
  const folders = named ? [named] : (process.env["PATH"] ?? "").split(delimiter);
  const places = folders.flatMap((folder) => (named ? [folder, join(folder, program)] : [join(folder, program)]));
  return places.find((place) => isProgram(place)) ?? null;
}

function isProgram(place: string): boolean {
  try {
    accessSync(place, constants.X_OK);
    return statSync(place).isFile();
  } catch {
    return false;
  }
}

export interface RealEngine {
  readonly url: string;
  /** Everything that it made is below here. */
  readonly folder: string;
  readonly log: () => string;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export interface RealEngineOptions {
  readonly command: string;
  readonly args: (port: number, folder: string) => readonly string[];
  readonly env?: (port: number, folder: string) => Readonly<Record<string, string>>;
  /** A path that answers 200 when it is ready. */
  readonly ready: string;
  readonly deadlineMs: number;
}

/** Starts it on a free port and waits until it is ready. Nothing of it leaves this machine. */
export async function startRealEngine(options: RealEngineOptions): Promise<RealEngine> {
  const folder = mkdtempSync(join(tmpdir(), "flock-engine-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = Bun.spawn([options.command, ...options.args(port, folder)], {
    // No cache of this machine's user, no look-ups elsewhere.
    env: {
      ...process.env,
      HF_HOME: join(folder, "hf"),
      HF_HUB_OFFLINE: "1",
      OMP_NUM_THREADS: "1",
      ...options.env?.(port, folder),
    },
    // A group of its own: some engines work in children, which would outlive it.
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    void (async () => {
      const decoder = new TextDecoder();
      for await (const piece of stream) log += decoder.decode(piece, { stream: true });
    })();
  }
  const stop = async (): Promise<void> => {
    process.kill(-child.pid, "SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await poll(options.deadlineMs, async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      return await fetch(url + options.ready).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  } catch (cause) {
    await stop();
    throw new Error(`${options.command} did not start:\n${log.slice(-4000)}`, { cause });
  }
  return { url, folder, log: () => log, signal: (name) => child.kill(name), stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
