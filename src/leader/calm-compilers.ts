import { readdirSync, readFileSync } from "node:fs";
import { setPriority } from "node:os";

const LOOK_EVERY_MS = 1000;
const THREADS = "/proc/self/task";
const COMPILERS = "JITWorker\n";
/** A tenth of the event loop's share where both want the same core, all of it where one is free. */
const NICENESS = 10;

/**
 * The threads that compile hot code give way to the event loop: on a small machine they take its core for milliseconds at a
 * time, for the first minutes of a new load, and requests wait meanwhile (docs/benchmarks.md). They end when they have nothing
 * to do, and others are made: hence a look now and then. Linux only; elsewhere nothing happens.
 */
export function calmCompilers(): void {
  let known = new Set<string>();
  const look = (): void => {
    const now = new Set<string>(threads());
    for (const id of now) if (!known.has(id) && isCompiler(id)) giveWay(Number(id));
    known = now;
  };
  look();
  setInterval(look, LOOK_EVERY_MS).unref();
}

/** Ids of this process' threads. */
function threads(): string[] {
  try {
    return readdirSync(THREADS);
  } catch {
    return [];
  }
}

function isCompiler(id: string): boolean {
  try {
    return readFileSync(`${THREADS}/${id}/comm`, "latin1") === COMPILERS;
  } catch {
    // It has ended.
    return false;
  }
}

function giveWay(id: number): void {
  try {
    setPriority(id, NICENESS);
  } catch {
    // It has ended, or somebody gave it a lower priority already.
  }
}
