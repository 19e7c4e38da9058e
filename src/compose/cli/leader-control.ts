import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Finding, LeaderControl, LeaderProblem, StartRequest } from "../../cli/leader-control.ts";
import { type DirectoryLock, takeDirectoryLock } from "../../cluster/directory-lock.ts";
import type { NodeCredential } from "../../cluster/node-credential.ts";
import { isAlive } from "../../cluster/process-identity.ts";
import { aborted, wait } from "../../core/wait.ts";
import type { RunningNode } from "../running-node.ts";
import { detach } from "./detach.ts";
import { engineEnvOf } from "../engine-env.ts";
import { leaderOfWorker } from "./leader-of-worker.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { askLeaderToStop, leaderInfo } from "../../leader/control-client.ts";
import { explainDirectory } from "../../leader/data-directory.ts";
import { readLeaderPid } from "../../leader/leader-file.ts";
import type { StartProblem } from "../../leader/start-problem.ts";
import { createLog } from "../../telemetry/log.ts";

/** How this executable calls itself; differs between a checkout and the compiled binary. */
export interface Program {
  readonly version: string;
  /** The executable, then what makes it the CLI. */
  readonly self: readonly string[];
  readonly engineCommand: readonly string[];
  /** What the engine's child needs of the environment besides the machine's. */
  readonly engineChildEnv: Readonly<Record<string, string>>;
  readonly bundledModel: string;
  /** The catalogue's directory that came with this program. */
  readonly bundledCatalog: string;
  /** How a person calls Flock: `flock`, or the npm script of a checkout. */
  readonly name: string;
  readonly gpuCommand: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stderrIsTTY: boolean;
  /** Fires when whoever stops Flock will not wait for running answers: the second Ctrl-C. */
  readonly cut: AbortSignal;
}

/** Longer than running answers, engines and records may take together. */
const STOP_DEADLINE_MS = 90_000;
const POLL_MS = 50;
const DISCOVERY_MS = 1_500;
const ANSWER_MS = 3_000;

export function leaderControl(program: Program): LeaderControl {
  return {
    membership: {
      async of(dataDir) {
        if (!existsSync(join(dataDir, "node.json"))) return ok(null);
        const { readMembership } = await import("../../worker/credential-file.ts");
        const member = readMembership(dataDir);
        if (!member.ok || member.value === null) return member.ok ? ok(null) : member;
        const { node, leader } = member.value;
        return ok({ node, leader: leader.addresses[0] ?? "", removed: "removed" in member.value });
      },
      async join(input) {
        const { joinAsWorker } = await import("./join.ts");
        return await joinAsWorker(input, program.version);
      },
      async leave(dataDir, signal) {
        const { leaveCluster } = await import("./join.ts");
        return await leaveCluster(dataDir, signal);
      },
      async discover(signal) {
        const { findLeaders } = await import("../../cluster/discovery/find-leaders.ts");
        return await findLeaders(DISCOVERY_MS, signal);
      },
    },
    asWorker: leaderOfWorker,
    find: leaderInfo,
    run: (request) => run(program, request),
    detach: (request) => detach(program, request),
    stop,
    resetAdminKey: (config) => resetOffline(config),
    async storedSettings({ values }) {
      const [{ storeAddress }, { readSettings }] = await Promise.all([
        import("../../store/address.ts"),
        import("../../store/read-settings.ts"),
      ]);
      const address = storeAddress(values.storage.dsn, values.data_dir);
      return address.ok ? readSettings(address.value) : new Map();
    },
    diagnose: (config, signal) => diagnoseMachine(program, config, signal),
  };
}

async function diagnoseMachine(
  program: Program,
  config: LoadedConfig,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const [{ diagnose }, { doctorFacts }, { toAttachedOptions }] = await Promise.all([
    import("../../agent/doctor.ts"),
    import("../../agent/doctor-facts.ts"),
    import("../agent-options.ts"),
  ]);
  const { values } = config;
  const facts = await doctorFacts(
    {
      dataDir: values.data_dir,
      modelsDir: values.storage.models_dir,
      bundledModel: program.bundledModel,
      defaultModel: values.router.default_model,
      childCommand: program.engineCommand,
      childEnv: { ...engineEnvOf(program.env), ...program.engineChildEnv },
      gpuCommand: program.gpuCommand,
      attached: toAttachedOptions(values),
    },
    signal,
  );
  return diagnose(facts);
}

async function run(
  program: Program,
  { config, line, signal, takesOver }: StartRequest,
): Promise<Result<void, LeaderProblem>> {
  const member = await credentialOf(config.values.data_dir);
  if (!member.ok) return member;
  const log = createLog({
    level: config.values.log_level,
    format: program.stderrIsTTY ? "text" : "json",
    write: logWriter(),
  });
  const engineEnv = engineEnvOf(program.env);
  const { version, bundledModel, bundledCatalog, gpuCommand, engineCommand, engineChildEnv } = program;
  const agentCommand = [...program.self, "__agent"];
  const options = {
    config,
    version,
    log,
    program: program.name,
    agentCommand,
    engineCommand,
    engineChildEnv,
    engineEnv,
    bundledModel,
    bundledCatalog,
    gpuCommand,
    takesOver,
    progress: line,
  };
  const started = await (member.value === null
    ? (await import("../leader/start-leader.ts")).startLeader(options, signal)
    : (await import("../worker/worker.ts")).startWorker(options, member.value, signal));
  // Ctrl-C before it was there: what had begun is undone.
  if (!started.ok && signal.aborted) return afterEnd(null, line);
  if (!started.ok) return err({ message: started.error.message, mend: started.error.mend });
  const running: RunningNode = started.value;
  let refused: StartProblem | null = null;
  const ended = running.ended?.then((problem) => {
    refused = problem;
    return "refused" as const;
  });
  const stopAsked = Promise.race([
    running.stopAsked,
    aborted(signal).then(() => "asked" as const),
    ...(ended === undefined ? [] : [ended]),
  ]);
  const report = await Promise.race([running.ready, stopAsked]);
  if (typeof report === "object") {
    for (const text of report.block) line(text);
    if (program.stderrIsTTY) for (const text of ["", "  Ctrl-C stops Flock."]) line(text);
  }
  const why = await stopAsked;
  line(
    why === "succeeded"
      ? "▶ another process has taken over; running answers may end first"
      : "▶ stopping: running answers may end first (Ctrl-C again to cut them off)",
  );
  await running.stop(program.cut);
  return afterEnd(refused, line);
}

/** `process.stderr` takes longer to make than the port to be opened: not before there is something to say. */
function logWriter(): (text: string) => void {
  let stream: typeof process.stderr | null = null;
  return (text) => {
    // A reader of the log that goes away must not take the server along.
    stream ??= process.stderr.on("error", () => undefined);
    stream.write(text);
  };
}

function afterEnd(refused: StartProblem | null, line: (text: string) => void): Result<void, LeaderProblem> {
  if (refused !== null) return err({ message: refused.message, mend: refused.mend });
  line("✔ Flock has stopped");
  return ok(undefined);
}

/** Null: this machine is no worker. What reads the file is loaded only where there is one. */
async function credentialOf(dataDir: string): Promise<Result<NodeCredential | null, LeaderProblem>> {
  if (!existsSync(join(dataDir, "node.json"))) return ok(null);
  return (await import("../../worker/credential-file.ts")).readCredential(dataDir);
}

async function stop(
  dataDir: string,
  signal: AbortSignal,
  waiting: () => void,
): Promise<Result<boolean, LeaderProblem>> {
  const seen = await leaderInfo(dataDir, signal);
  if (!seen || !(await askLeaderToStop(dataDir, signal))) return await stopLeftovers(dataDir, signal);
  waiting();
  const deadline = performance.now() + STOP_DEADLINE_MS;
  while (performance.now() < deadline && !signal.aborted) {
    if (!isAlive(seen.pid)) return ok(true);
    await wait(POLL_MS, signal);
  }
  if (signal.aborted) return err({ message: "Flock is still stopping", mend: "flock down   # waits for it" });
  return err({ message: `Flock (pid ${seen.pid}) does not stop`, mend: `kill -9 ${seen.pid}; flock down` });
}

/** A leader that was killed leaves its agent and engines behind, on purpose; one that hangs must not be taken for dead. */
async function stopLeftovers(dataDir: string, signal: AbortSignal): Promise<Result<boolean, LeaderProblem>> {
  const lock = lockAsLeader(dataDir);
  if (!lock.ok) return lock;
  if (lock.value === null) return ok(false);
  try {
    const { endLeftovers } = await import("../leftovers.ts");
    return ok(await endLeftovers(dataDir, signal));
  } finally {
    lock.value.release();
  }
}

/** Null: there is no such directory. An error when a leader holds it. */
function lockAsLeader(dataDir: string): Result<DirectoryLock | null, LeaderProblem> {
  if (!statSync(dataDir, { throwIfNoEntry: false })?.isDirectory()) return ok(null);
  try {
    const lock = takeDirectoryLock(dataDir, "leader");
    if (lock !== null) return ok(lock);
  } catch (cause) {
    return err(explainDirectory(dataDir, cause));
  }
  const pid = readLeaderPid(dataDir);
  return err({
    message: `a Flock process${pid === null ? "" : ` (pid ${pid})`} holds ${dataDir} but does not answer`,
    mend: pid === null ? "flock status" : `kill -9 ${pid}; flock down`,
  });
}

async function resetOffline(config: LoadedConfig): Promise<Result<{ path: string; secret: string }, LeaderProblem>> {
  const dataDir = config.values.data_dir;
  const running = await leaderInfo(dataDir, AbortSignal.timeout(ANSWER_MS));
  if (running) {
    return err({
      message: `Flock runs on ${dataDir} (pid ${running.pid}) and would not know the new key`,
      mend: "flock down && flock token create --admin --offline",
    });
  }
  const lock = lockAsLeader(dataDir);
  if (!lock.ok) return lock;
  if (lock.value === null) return err({ message: `there is no Flock in ${dataDir}`, mend: "flock up" });
  try {
    return await makeAdminKey(config);
  } finally {
    lock.value.release();
  }
}

async function makeAdminKey(config: LoadedConfig): Promise<Result<{ path: string; secret: string }, LeaderProblem>> {
  const [{ openStore }, { resetAdminKey }, { systemClock }] = await Promise.all([
    import("../../store/open-store.ts"),
    import("../../tenancy/bootstrap-admin.ts"),
    import("../../core/clock.ts"),
  ]);
  const dataDir = config.values.data_dir;
  const log = createLog({ level: "error", format: "text", write: (text) => void process.stderr.write(text) });
  const opened = await openStore({ dsn: config.values.storage.dsn, dataDir, clock: systemClock, log });
  if (!opened.ok) return err({ message: opened.error.message, mend: opened.error.mend });
  try {
    const reset = await resetAdminKey({ store: opened.value }, dataDir);
    if (reset.ok) return reset;
    return err({ message: `the key could not be made (${reset.error.kind})`, mend: "flock token ls" });
  } catch (cause) {
    return err(explainDirectory(dataDir, cause));
  } finally {
    await opened.value.close();
  }
}
