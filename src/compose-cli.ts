import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LeaderControl, LeaderProblem, StartRequest } from "./cli/leader-control.ts";
import { shutDownAgent } from "./cluster/agent-shutdown.ts";
import type { LoadedConfig } from "./config/load.ts";
import { systemClock } from "./core/clock.ts";
import { err, ok, type Result } from "./core/result.ts";
import { askLeaderToStop, leaderInfo } from "./leader/control-client.ts";
import { prepareDataDirectory } from "./leader/data-directory.ts";
import { openStore } from "./store/open-store.ts";
import { createLog } from "./telemetry/log.ts";
import { resetAdminKey } from "./tenancy/bootstrap-admin.ts";

/** How this executable calls itself; differs between a checkout and the compiled binary. */
export interface Program {
  readonly version: string;
  /** The executable, then what makes it the CLI. */
  readonly self: readonly string[];
  readonly engineCommand: readonly string[];
  readonly bundledModel: string;
  /** How a person calls Flock: `flock`, or the npm script of a checkout. */
  readonly name: string;
  readonly gpuCommand: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stderrIsTTY: boolean;
}

/** A model may take minutes to load from a slow disk; what it waits for is shown all the time. */
const DETACH_DEADLINE_MS = 600_000;
const STOP_DEADLINE_MS = 60_000;
const POLL_MS = 100;

/** What an engine or the agent needs of the environment, and no more: a change of it would restart them. */
const ENGINE_ENV = /^(PATH|HOME|USER|LANG|LC_.*|TMPDIR|LD_LIBRARY_PATH|DYLD_.*|CUDA_.*|NVIDIA_.*|HIP_.*|ROCR_.*|GGML_.*|VK_.*|XDG_RUNTIME_DIR)$/;

export function leaderControl(program: Program): LeaderControl {
  return {
    find: leaderInfo,
    run: (request) => run(program, request),
    detach: (request) => detach(program, request),
    stop,
    resetAdminKey: (config) => resetOffline(config),
  };
}

async function run(program: Program, { config, line, signal }: StartRequest): Promise<Result<void, LeaderProblem>> {
  const { startLeader } = await import("./compose.ts");
  const log = createLog({
    level: config.values.log_level,
    format: program.stderrIsTTY ? "text" : "json",
    write: (text) => void process.stderr.write(text),
  });
  const engineEnv = Object.fromEntries(
    Object.entries(program.env).filter((entry): entry is [string, string] => entry[1] !== undefined && ENGINE_ENV.test(entry[0])),
  );
  const { version, bundledModel, gpuCommand, engineCommand } = program;
  const agentCommand = [...program.self, "__agent"];
  const started = await startLeader({
    config,
    version,
    log,
    program: program.name,
    agentCommand,
    engineCommand,
    engineEnv,
    bundledModel,
    gpuCommand,
  });
  if (!started.ok) return err({ message: started.error.message, mend: started.error.mend });
  const leader = started.value;
  const stopAsked = Promise.race([leader.stopAsked, aborted(signal)]);
  const block = await Promise.race([leader.ready, stopAsked]);
  if (block) {
    for (const text of block) line(text);
    if (program.stderrIsTTY) line("\n  Ctrl-C stops Flock.");
  }
  await stopAsked;
  line("▶ stopping: running answers may end first (Ctrl-C again to cut them off)");
  await leader.stop();
  line("✔ Flock has stopped");
  return ok(undefined);
}

async function detach(program: Program, request: StartRequest): Promise<Result<void, LeaderProblem>> {
  const { config, settingFlags, signal } = request;
  const dataDir = config.values.data_dir;
  const prepared = prepareDataDirectory(dataDir);
  if (!prepared.ok) return err({ message: prepared.error.message, mend: prepared.error.mend });
  const logPath = join(dataDir, "logs", "flock.log");
  mkdirSync(dirname(logPath), { recursive: true, mode: 0o700 });
  const log = openSync(logPath, "a", 0o600);
  const flags = Object.entries(settingFlags).map(([name, value]) => `--${name}=${value}`);
  const child = Bun.spawn([...program.self, "up", ...flags], {
    detached: true,
    stdin: "ignore",
    // The ready block holds the new admin key: it belongs on the terminal, not into a log.
    stdout: "ignore",
    stderr: log,
    env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "65336", ...program.env },
  });
  child.unref();
  closeSync(log);
  const exited = child.exited.then((code) => code ?? 1);
  const deadline = performance.now() + DETACH_DEADLINE_MS;
  let told = false;
  while (performance.now() < deadline && !signal.aborted) {
    const seen = await leaderInfo(dataDir, signal);
    if (seen?.ready && seen.pid === child.pid) {
      for (const text of seen.readyBlock) request.line(text);
      request.line(`\n  It runs in the background (pid ${seen.pid}); the log is ${logPath}. flock down stops it.`);
      return ok(undefined);
    }
    if (seen && !told) request.line("▶ the model is being loaded …");
    told ||= seen !== null;
    const code = await Promise.race([exited, Bun.sleep(POLL_MS)]);
    if (typeof code === "number") return err(lastWords(logPath, code));
  }
  return err({ message: "Flock did not become ready in time; it goes on trying", mend: `tail ${logPath}; flock status` });
}

/** The two lines with which the child ended. */
function lastWords(logPath: string, code: number): LeaderProblem {
  const lines = readFileSync(logPath, "utf8").trimEnd().split("\n");
  const at = lines.findLastIndex((text) => text.startsWith("✗ "));
  if (at < 0) return { message: `the server ended with code ${code} at once`, mend: `tail ${logPath}` };
  return { message: (lines[at] ?? "").slice(2), mend: (lines[at + 1] ?? "").trim() };
}

async function stop(dataDir: string, signal: AbortSignal): Promise<Result<boolean, LeaderProblem>> {
  const seen = await leaderInfo(dataDir, signal);
  if (!seen || !(await askLeaderToStop(dataDir, signal))) {
    // A leader that was killed leaves its agent and engines behind, on purpose.
    return ok(await shutDownAgent(dataDir, signal));
  }
  const deadline = performance.now() + STOP_DEADLINE_MS;
  while (performance.now() < deadline && !signal.aborted) {
    if (!isAlive(seen.pid)) return ok(true);
    await Bun.sleep(POLL_MS);
  }
  return err({ message: `Flock (pid ${seen.pid}) does not stop`, mend: `kill -9 ${seen.pid}; flock down` });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function resetOffline(config: LoadedConfig): Promise<Result<{ path: string; secret: string }, LeaderProblem>> {
  const dataDir = config.values.data_dir;
  const log = createLog({ level: "error", format: "text", write: (text) => void process.stderr.write(text) });
  const opened = await openStore({ dsn: config.values.storage.dsn, dataDir, clock: systemClock, log });
  if (!opened.ok) return err({ message: opened.error.message, mend: opened.error.mend });
  try {
    const reset = await resetAdminKey({ store: opened.value }, dataDir);
    if (reset.ok) return reset;
    return err({ message: `the key could not be made (${reset.error.kind})`, mend: "flock token ls" });
  } finally {
    await opened.value.close();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
