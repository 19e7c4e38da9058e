import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CliIo } from "./cli-io.ts";
import type { LeaderControl } from "./leader-control.ts";
import type { TextSink } from "./output.ts";
import { runCli } from "./run-cli.ts";

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** For tests: a home of its own, and what each run of the CLI in it said. */
export class CliSandbox {
  readonly home = mkdtempSync(join(tmpdir(), "flock-cli-"));
  readonly dataDir = join(this.home, ".flock");

  constructor() {
    mkdirSync(this.dataDir);
  }

  /** Puts a file into the data directory. */
  write(name: string, text: string): void {
    writeFileSync(join(this.dataDir, name), text);
  }

  async run(line: string | readonly string[], change: Partial<CliIo> & { tty?: boolean } = {}): Promise<Ran> {
    const { tty = false, ...rest } = change;
    const stdout = capture(tty);
    const stderr = capture(tty);
    const io: CliIo = {
      stdout,
      stderr,
      stdinIsTTY: tty,
      env: {},
      cwd: this.home,
      home: this.home,
      clock: { now: () => 1_760_000_100_000, monotonicMs: () => 0 },
      signal: new AbortController().signal,
      leader: NO_LEADER,
      ...rest,
    };
    const argv = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
    const exitCode = await runCli(argv, io);
    return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

function capture(isTTY: boolean): TextSink & { text(): string } {
  let all = "";
  return {
    isTTY,
    columns: 80,
    write: (text) => {
      all += text;
    },
    text: () => all,
  };
}

const refused = { ok: false, error: { message: "no leader in this test", mend: "none" } } as const;
const NO_LEADER: LeaderControl = {
  membership: {
    of: () => Promise.resolve({ ok: true, value: null }),
    join: () => Promise.resolve(refused),
    leave: () => Promise.resolve(refused),
    discover: () => Promise.resolve([]),
  },
  asWorker: () => Promise.resolve({ ok: true, value: null }),
  find: () => Promise.resolve(null),
  run: () => Promise.resolve(refused),
  detach: () => Promise.resolve(refused),
  stop: () => Promise.resolve(refused),
  storedSettings: () => Promise.resolve(new Map()),
  resetAdminKey: () => Promise.resolve(refused),
  diagnose: () =>
    Promise.resolve([
      { check: "machine", ok: true, message: "linux x64, 2 cores", mend: null },
      { check: "gpu", ok: false, message: "a GPU is not used", mend: "npm run engine:gpu" },
    ]),
};
