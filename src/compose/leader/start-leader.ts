import { isAlive } from "../../cluster/process-identity.ts";
import type { ComposedLeader } from "./leader.ts";
import type { ReadyReport, RunningNode, StopReason } from "../running-node.ts";
import type { StartOptions } from "../start-options.ts";
import { type CleanUp, undo } from "../clean-up.ts";
import type { Inherited } from "../successor-env.ts";
import { localUrl, parseListen } from "../../config/listen.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { LeaderInfo } from "../../leader/control-protocol.ts";
import { type ControlHandlers, type ControlSocket, openControlSocket } from "../../leader/control-socket.ts";
import { prepareDataDirectory } from "../../leader/data-directory.ts";
import type { HandOver } from "../../leader/hand-over.ts";
import { removeLeaderFile, writeLeaderFile } from "../../leader/leader-file.ts";
import { type Handler, type Handlers, listen, LISTENS_BESIDE, type ServerHandle } from "../../leader/listen.ts";
import type { StartProblem } from "../../leader/start-problem.ts";

/** How long answers that are running may take to end when Flock is stopped. */
const DRAIN_MS = 20_000;
/** The same when another process has taken over: nobody waits for this one. */
const SUCCEEDED_DRAIN_MS = 60_000;

/**
 * Starts the leader. The port is bound before anything heavy is loaded: whoever connects early waits for the answer
 * rather than being refused. Every failure says what and how to mend it, and leaves nothing running.
 */
export async function startLeader(
  options: StartOptions,
  signal: AbortSignal,
): Promise<Result<RunningNode, StartProblem>> {
  const cleanUp: CleanUp = [];
  const started = await start(options, cleanUp, signal).catch(async (cause: unknown) => {
    const { toStartProblem } = await import("./stored.ts");
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

/** Its schema library takes longer to load than the port to be opened, and few starts follow another leader. */
async function handOvers() {
  return await import("../../leader/hand-over.ts");
}

async function start(
  options: StartOptions,
  cleanUp: CleanUp,
  signal: AbortSignal,
): Promise<Result<RunningNode, StartProblem>> {
  const { values } = options.config;
  const dataDir = values.data_dir;
  const { version } = options;
  const startedAt = Date.now();
  let report: ReadyReport | null = null;
  let stopping = false;
  let serving = false;
  let composed: ComposedLeader | null = null;
  let server: ServerHandle | null = null;
  const stopAsked = Promise.withResolvers<StopReason>();
  const info = (): LeaderInfo => ({
    pid: process.pid,
    version,
    url: server === null ? "" : url,
    startedAt,
    ready: report !== null,
    readyBlock: report?.block ?? [],
    problem: report?.problem ?? null,
    serving,
    stopping,
  });

  const prepared = prepareDataDirectory(dataDir);
  if (!prepared.ok) return prepared;
  const address = parseListen(values.listen);
  if (address === null) {
    return err({ kind: "address", message: `listen: ${values.listen} is no address`, mend: "flock config check" });
  }
  const takesOver = options.takesOver ? await (await handOvers()).askToHandOver(dataDir, signal) : null;
  const port = address.port === 0 ? (takesOver?.port ?? 0) : address.port;
  const beside = takesOver?.port === port;
  let url = localUrl({ ...address, port }, values.tls.cert === "" ? "http" : "https");
  let control: ControlSocket | null = null;
  let makingRoom: Promise<HandOver["nodes"]> | null = null;
  const handlers: ControlHandlers = {
    info,
    environment: (): Inherited => ({ settings: { ...options.config.given }, engine: options.engineEnv }),
    shutdown: () => stopAsked.resolve("asked"),
    async handOver() {
      if (composed === null || server === null || report === null || stopping || makingRoom !== null) return null;
      makingRoom = composed.handOver();
      const nodes = await makingRoom.catch((cause: unknown) => {
        options.log.error("Flock cannot make room for another process now; this one goes on", { cause });
        return null;
      });
      if (nodes === null) {
        makingRoom = null;
        composed.takeBack();
        return null;
      }
      if (!LISTENS_BESIDE) server.quiet();
      const answering = [process.pid, ...(takesOver?.answering ?? []).filter(isAlive)];
      return { port: server.port, nodes: [...nodes], answering };
    },
    handedOver(successor) {
      control?.close();
      void handOvers()
        .then(({ untilSuccessor }) => untilSuccessor(dataDir, successor, signal))
        .then(async (serves) => {
          if (serves) {
            composed?.release(successor);
            return stopAsked.resolve("succeeded");
          }
          options.log.error("the process that was to take over has failed; this one goes on", {
            mend: "flock restart",
          });
          const again = await openControlSocket(dataDir, handlers, signal);
          // Somebody else leads by now: let it.
          if (!again.ok) return stopAsked.resolve("succeeded");
          control = again.value;
          makingRoom = null;
          composed?.takeBack();
          writeLeaderFile(dataDir, { pid: process.pid, url, startedAt, version, socket: control.path });
        });
    },
  };
  const opened = await openControlSocket(dataDir, handlers, signal, takesOver !== null);
  if (!opened.ok) return opened;
  control = opened.value;
  const { path: socket } = opened.value;
  cleanUp.push(() => control?.close());

  const app = Promise.withResolvers<Handler>();
  let handle: Handler = async (request, connection) => (await app.promise)(request, connection);
  let buffered: Handlers["buffered"] = () => null;
  const bind = (): StartProblem | null => {
    const guarded: Handlers = {
      any: (request, connection) => (makingRoom !== null && changes(request) ? later() : handle(request, connection)),
      buffered: (path) => buffered(path),
    };
    const listening = listen(guarded, { ...address, port }, values.tls, beside);
    if (!listening.ok) return listening.error;
    server = listening.value;
    cleanUp.push(() => listening.value.close(AbortSignal.abort()));
    url = localUrl({ ...address, port: listening.value.port }, values.tls.cert === "" ? "http" : "https");
    writeLeaderFile(dataDir, { pid: process.pid, url, startedAt, version, socket });
    cleanUp.push(() => removeLeaderFile(dataDir));
    return null;
  };
  // Whoever connects early waits. While another one still answers there, this one listens only when it can answer too.
  if (!beside) {
    const problem = bind();
    if (problem !== null) return err(problem);
  }
  const { composeLeader } = await import("./leader.ts");
  let bindProblem: StartProblem | null = null;
  const serve = (whole: Handlers): void => {
    handle = whole.any;
    buffered = whole.buffered;
    app.resolve(whole.any);
    if (server === null) bindProblem = bind();
    serving = bindProblem === null;
  };
  const shell = { url, startedAt, stopping: () => stopping, takesOver, serve };
  const built = await composeLeader(options, shell, cleanUp, signal);
  if (!built.ok) return built;
  if (bindProblem !== null) return err(bindProblem);
  composed = built.value;
  const ready = built.value.ready.then((value) => (report = value));

  let stopped: Promise<void> | null = null;
  const stop = async (cut: AbortSignal): Promise<void> => {
    stopping = true;
    const succeeded = makingRoom !== null;
    if (succeeded) await server?.handOff();
    built.value.leave();
    await server?.close(AbortSignal.any([cut, AbortSignal.timeout(succeeded ? SUCCEEDED_DRAIN_MS : DRAIN_MS)]));
    await built.value.close();
    if (succeeded) return;
    removeLeaderFile(dataDir);
    control?.close();
  };
  return ok({ ready, stopAsked: stopAsked.promise, stop: (cut) => (stopped ??= stop(cut)) });
}

function changes(request: Request): boolean {
  return request.method !== "GET" && request.method !== "HEAD" && new URL(request.url).pathname.startsWith("/admin/");
}

/** Between making room and the successor's first answer: what is changed here it would not know. */
function later(): Response {
  const message = "Flock is being restarted: try again in a second.";
  const error = { message, type: "store_unavailable", code: "restarting", mend: "flock status" };
  return Response.json({ error }, { status: 503, headers: { "retry-after": "1" } });
}
