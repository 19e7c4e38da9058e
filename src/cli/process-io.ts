import { fstatSync, statSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { codeOf } from "../core/error-code.ts";
import { systemClock } from "../core/clock.ts";
import type { CliIo } from "./cli-io.ts";
import type { TextSink } from "./output.ts";

/** A person does not press twice within this; a signal that is passed on does. */
const SAME_PRESS_MS = 300;

/**
 * The CLI's outside, made of this process; the leader is joined to it by the entry file. `env` is `process.env`, handed in by the entry file; it gains NO_PROXY for
 * loopback, because fetch would otherwise send the admin key and every prompt through a configured HTTP_PROXY.
 * The first Ctrl-C or SIGTERM aborts `signal`; the second ends the process, a server's one only the third: `cut` is
 * called in between. A server also stops in order when its terminal goes away, and outlives whoever read its output.
 */
export function processIo(env: Record<string, string | undefined>, cut?: () => void): Omit<CliIo, "leader"> {
  keepLoopbackDirect(env);
  const stop = new AbortController();
  const presses = cut ? [() => stop.abort(), cut] : [() => stop.abort()];
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const signal of ["SIGINT", "SIGTERM", ...(cut ? ["SIGHUP" as const] : [])] as const) {
    process.on(signal, () => {
      const now = performance.now();
      // One Ctrl-C arrives from the terminal and again from npm, which hands it on.
      if (cut && now - lastMs < SAME_PRESS_MS) return;
      lastMs = now;
      const press = presses.shift();
      if (press === undefined) process.exit(130);
      press();
    });
  }
  const broken = cut ? () => undefined : () => process.exit(0);
  return {
    stdout: sink(1, broken),
    stderr: sink(2, broken),
    stdinIsTTY: isTerminal(0),
    readStdin: () => Bun.stdin.text(),
    env,
    cwd: process.cwd(),
    home: env["HOME"] || homedir(),
    clock: systemClock,
    signal: stop.signal,
  };
}

/** Writes straight to the descriptor: touching `process.stdout` costs 10 ms, more than all of a read command else. */
function sink(fd: 1 | 2, broken: () => void): TextSink {
  return {
    write: (text) => writeAll(fd, Buffer.from(text), broken),
    isTTY: isTerminal(fd),
    get columns() {
      return (fd === 1 ? process.stdout : process.stderr).columns || 80;
    },
  };
}

function writeAll(fd: 1 | 2, bytes: Uint8Array, broken: () => void): void {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      const code = codeOf(error);
      // `flock usage | head` closes the pipe early, that is how it is meant to end; a closed terminal gives EIO, and a
      // socket that stands for a pipe ECONNRESET.
      if (code === "EPIPE" || code === "EIO" || code === "ECONNRESET") return broken();
      if (code !== "EAGAIN") throw error;
      // Somebody else made the pipe non-blocking, and its reader is slow.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

/** Loads `node:tty` (7 ms) only where there may be a terminal: never for a pipe, a file or `/dev/null`. */
function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    if (!stat.isCharacterDevice() || stat.rdev === statSync("/dev/null").rdev) return false;
  } catch {
    return false;
  }
  const tty = process.getBuiltinModule("node:tty");
  return tty.isatty(fd);
}

function keepLoopbackDirect(env: Record<string, string | undefined>): void {
  const loopback = ["127.0.0.1", "localhost", "::1"];
  for (const name of env["no_proxy"] === undefined ? ["NO_PROXY"] : ["NO_PROXY", "no_proxy"]) {
    const given = (env[name] ?? "").split(",").filter((host) => host !== "");
    env[name] = [...new Set([...given, ...loopback])].join(",");
  }
}
