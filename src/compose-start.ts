import type { LeaderOptions } from "./compose.ts";
import { localUrl, parseListen } from "./config/listen.ts";
import { err, ok, type Result } from "./core/result.ts";
import type { LeaderInfo } from "./leader/control-protocol.ts";
import { openControlSocket } from "./leader/control-socket.ts";
import { prepareDataDirectory } from "./leader/data-directory.ts";
import { removeLeaderFile, writeLeaderFile } from "./leader/leader-file.ts";
import { type Handler, type Handlers, listen } from "./leader/listen.ts";
import type { StartProblem } from "./leader/start-problem.ts";

/** How long answers that are running may take to end when Flock is stopped. */
const DRAIN_MS = 20_000;

export interface RunningLeader {
  /**
   * Resolves when requests can be answered, or when it is clear that none soon will be (then `problem` says why); with
   * the lines for the terminal.
   */
  readonly ready: Promise<ReadyReport>;
  /** Resolves when somebody asked over the control socket to stop. */
  readonly stopAsked: Promise<void>;
  /** Lets running answers end until `cut` fires, settles the records, stops the engines. Safe to call twice. */
  stop(cut: AbortSignal): Promise<void>;
}

export interface ReadyReport {
  readonly block: readonly string[];
  readonly problem: string | null;
}

/** Undone in reverse order when the start fails. */
export type CleanUp = (() => Promise<unknown> | void)[];

/**
 * Starts the leader. The port is bound before anything heavy is loaded: whoever connects early waits for the answer
 * rather than being refused. Every failure says what and how to mend it, and leaves nothing running.
 */
export async function startLeader(
  options: LeaderOptions,
  signal: AbortSignal,
): Promise<Result<RunningLeader, StartProblem>> {
  const cleanUp: CleanUp = [];
  const started = await start(options, cleanUp, signal).catch(async (cause: unknown) => {
    const { toStartProblem } = await import("./compose.ts");
    const problem = toStartProblem(cause, options);
    if (problem === null) {
      await undo(cleanUp);
      throw cause;
    }
    return err(problem);
  });
  if (!started.ok) await undo(cleanUp);
  return started;
}

async function undo(cleanUp: CleanUp): Promise<void> {
  // The failure that led here is the one to tell; a second one on the way back must not hide it.
  for (const step of cleanUp.toReversed()) await Promise.resolve(step()).catch(() => undefined);
}

async function start(
  options: LeaderOptions,
  cleanUp: CleanUp,
  signal: AbortSignal,
): Promise<Result<RunningLeader, StartProblem>> {
  const { values } = options.config;
  const dataDir = values.data_dir;
  const { version } = options;
  const startedAt = Date.now();
  let url = "";
  let report: ReadyReport | null = null;
  let stopping = false;
  const stopAsked = Promise.withResolvers<void>();
  const info = (): LeaderInfo => ({
    pid: process.pid,
    version,
    url,
    startedAt,
    ready: report !== null,
    readyBlock: report?.block ?? [],
    problem: report?.problem ?? null,
    stopping,
  });

  const prepared = prepareDataDirectory(dataDir);
  if (!prepared.ok) return prepared;
  const control = await openControlSocket(dataDir, info, () => stopAsked.resolve(), signal);
  if (!control.ok) return control;
  cleanUp.push(() => control.value.close());

  const address = parseListen(values.listen);
  if (address === null) {
    return err({ kind: "address", message: `listen: ${values.listen} is no address`, mend: "flock config check" });
  }
  const app = Promise.withResolvers<Handler>();
  let handle: Handler = async (request, connection) => (await app.promise)(request, connection);
  let buffered: Handlers["buffered"] = () => null;
  const handlers: Handlers = {
    any: (request, connection) => handle(request, connection),
    buffered: (path) => buffered(path),
  };
  const listening = listen(handlers, address, values.tls);
  if (!listening.ok) return listening;
  const server = listening.value;
  cleanUp.push(() => server.close(AbortSignal.abort()));
  url = localUrl({ ...address, port: server.port }, values.tls.cert === "" ? "http" : "https");
  writeLeaderFile(dataDir, { pid: process.pid, url, startedAt, version, socket: control.value.path });
  cleanUp.push(() => removeLeaderFile(dataDir));

  const { composeLeader } = await import("./compose.ts");
  const serve = (whole: Handlers): void => {
    handle = whole.any;
    buffered = whole.buffered;
    app.resolve(whole.any);
  };
  const composed = await composeLeader(options, { url, startedAt, stopping: () => stopping, serve }, cleanUp, signal);
  if (!composed.ok) return composed;
  const ready = composed.value.ready.then((value) => (report = value));

  let stopped: Promise<void> | null = null;
  const stop = async (cut: AbortSignal): Promise<void> => {
    stopping = true;
    await server.close(AbortSignal.any([cut, AbortSignal.timeout(DRAIN_MS)]));
    await composed.value.close();
    removeLeaderFile(dataDir);
    control.value.close();
  };
  return ok({ ready, stopAsked: stopAsked.promise, stop: (cut) => (stopped ??= stop(cut)) });
}
