import { closeSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import type { LeaderProblem, StartRequest } from "../../cli/leader-control.ts";
import { wait } from "../../core/wait.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { leaderInfo } from "../../leader/control-client.ts";
import { prepareDataDirectory } from "../../leader/data-directory.ts";

/** A model may take minutes to load from a slow disk; what it waits for is shown all the time. */
const DETACH_DEADLINE_MS = 600_000;
const POLL_MS = 50;
const TAKEN_BACK_MS = 3_000;
const ROTATE_OVER_BYTES = 10 * 1024 * 1024;

/** Runs Flock in a process of its own; resolves when that is ready. `self`: what makes this executable the CLI. */
export async function detach(
  program: { readonly self: readonly string[]; readonly env: Readonly<Record<string, string | undefined>> },
  request: StartRequest,
): Promise<Result<void, LeaderProblem>> {
  const { config, settingFlags, signal, line, takesOver } = request;
  const dataDir = config.values.data_dir;
  const prepared = prepareDataDirectory(dataDir);
  if (!prepared.ok) return err({ message: prepared.error.message, mend: prepared.error.mend });
  const logPath = join(dataDir, "logs", "flock.log");
  const log = openLog(logPath);
  const flags = Object.entries(settingFlags).map(([name, value]) => `--${name}=${value}`);
  const env = takesOver
    ? await (await import("../successor-env.ts")).successorEnv(program.env, dataDir, signal)
    : program.env;
  const child = Bun.spawn([...program.self, "up", ...(takesOver ? ["--take-over"] : []), ...flags], {
    detached: true,
    stdin: "ignore",
    // The ready block holds the new admin key: it belongs on the terminal, not into a log.
    stdout: "ignore",
    stderr: log.file,
    env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "65336", ...env },
  });
  child.unref();
  closeSync(log.file);
  const exited = child.exited.then((code) => code ?? 1);
  const deadline = performance.now() + DETACH_DEADLINE_MS;
  let told = false;
  while (performance.now() < deadline && !signal.aborted) {
    const seen = await leaderInfo(dataDir, signal);
    if (seen?.ready && seen.pid === child.pid) {
      const where = `  It runs in the background (pid ${seen.pid}); the log is ${logPath}. flock down stops it.`;
      for (const text of [...seen.readyBlock, "", where]) line(text);
      if (seen.problem === null) return ok(undefined);
      return err({ message: `Flock runs, but ${seen.problem}`, mend: `flock status; tail ${logPath}` });
    }
    if (seen?.pid === child.pid && seen.url !== "" && !told) {
      told = true;
      const where = URL.canParse(seen.url) ? `listens at ${seen.url}` : `is a worker of ${seen.url}`;
      line(`▶ Flock ${where}; the model is being loaded …`);
    }
    const code = await Promise.race([exited, wait(POLL_MS, signal)]);
    if (typeof code === "number") {
      if (takesOver) await untilTakenBack(dataDir, signal);
      return err(lastWords(logPath, log.startBytes, code));
    }
  }
  const waited = signal.aborted ? "Flock is not ready yet" : "Flock did not become ready in time";
  return err({ message: `${waited}; it goes on in the background`, mend: `flock status; tail ${logPath}` });
}

/** The one that made room for a process that failed leads again in a moment; whoever asks sooner would find nobody. */
async function untilTakenBack(dataDir: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + TAKEN_BACK_MS;
  while (performance.now() < deadline && !signal.aborted && (await leaderInfo(dataDir, signal)) === null) {
    await wait(POLL_MS, signal);
  }
}

function openLog(path: string): { readonly file: number; readonly startBytes: number } {
  const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const rotate = sizeBytes > ROTATE_OVER_BYTES;
  if (rotate) renameSync(path, `${path}.1`);
  return { file: openSync(path, "a", 0o600), startBytes: rotate ? 0 : sizeBytes };
}

/** The two lines with which the child ended, as the CLI prints a failure. */
function lastWords(logPath: string, startBytes: number, code: number): LeaderProblem {
  const lines = readFileSync(logPath).subarray(startBytes).toString().trimEnd().split("\n");
  const at = lines.findLastIndex((text) => text.startsWith("✗ "));
  if (at < 0) return { message: `the server ended with code ${code} at once`, mend: `tail ${logPath}` };
  return { message: (lines[at] ?? "").slice(2), mend: (lines[at + 1] ?? "").replace(/^\s*→\s*/, "") };
}
