import { chmodSync, rmSync } from "node:fs";
import type { z } from "zod";
import {
  adapterBody,
  checkBody,
  llamaInstallBody,
  llamaUseBody,
  logsQuery,
  modelWish,
  shutdownBody,
  unloadBody,
} from "../cluster/agent-protocol.ts";
import type { AgentIdentity } from "../cluster/agent-record.ts";
import { wait } from "../core/wait.ts";
import type { MachineLoad } from "../core/machine-load.ts";
import type { NodeState } from "../core/node.ts";
import { findAdapter, refusesAdapters } from "./adapters.ts";
import type { EngineSource } from "./engine-source.ts";
import type { LlamaInstalls } from "./install/llama-installs.ts";
import type { LoadedModels, ModelRefusal } from "./loaded-models.ts";
import { ModelDigests } from "./model-digest.ts";
import type { NodeProcesses } from "./node-processes.ts";
import { processRoute } from "./process-routes.ts";
import type { ModelPlaces } from "./sourced-model.ts";
import type { StateHub } from "./state-hub.ts";
import { stateStream } from "./state-stream.ts";

/** Every body is a few bytes of JSON. */
const MAX_BODY_BYTES = 64 * 1024;
/** How long the last answers may take to get out when the agent ends. */
const LAST_ANSWERS_MS = 2_000;
/**
 * A shutdown waits for engines, a watch stream for changes. Bun 1.4.5 keeps to this on a Unix socket (and to nothing
 * else: `server.timeout` does nothing there), but its types say that only TCP has it.
 */
const NO_IDLE_TIMEOUT: object = { idleTimeout: 0 };

export interface AgentServerParts {
  readonly socket: string;
  readonly identity: AgentIdentity;
  readonly hub: StateHub;
  readonly state: () => Promise<NodeState>;
  readonly load: (signal: AbortSignal) => Promise<MachineLoad>;
  /** Changes as models are loaded and unloaded. */
  readonly sources: readonly EngineSource[];
  /** Null: this node runs no engine that loads models. */
  readonly models: LoadedModels | null;
  /** Null: none are installed by this agent. */
  readonly installs: LlamaInstalls | null;
  readonly processes: NodeProcesses;
  /** Where files of models and adapters are looked for. */
  readonly places: ModelPlaces;
  readonly heartbeatMs: number;
  /** Fires when the agent ends: watch streams end then. */
  readonly over: AbortSignal;
  /** Asks the agent to end; called after the engines were ended, where that was asked for. */
  readonly stop: () => void;
}

export interface AgentServer {
  /** Answers what is being answered, then closes and removes the socket. */
  stop(): Promise<void>;
}

/**
 * The agent's own HTTP, for this user's processes only: no key is asked, the socket's folder is the key. An old socket
 * in the way is removed, which is safe because the caller holds the directory's lock.
 */
export function serveAgent(parts: AgentServerParts): AgentServer {
  rmSync(parts.socket, { force: true });
  const digests = new ModelDigests();
  const server = Bun.serve({
    unix: parts.socket,
    ...NO_IDLE_TIMEOUT,
    maxRequestBodySize: MAX_BODY_BYTES,
    fetch: (request) => route(request, parts, digests),
    error: (error) => {
      console.error("agent: a request failed:", error);
      return refuse(500, "internal error; its cause is in the agent's log");
    },
  });
  chmodSync(parts.socket, 0o600);
  return {
    stop: async () => {
      const stopped = new AbortController();
      await Promise.race([server.stop(), wait(LAST_ANSWERS_MS, stopped.signal)]);
      stopped.abort();
      await server.stop(true);
      rmSync(parts.socket, { force: true });
    },
  };
}

async function route(request: Request, parts: AgentServerParts, digests: ModelDigests): Promise<Response> {
  const url = new URL(request.url);
  const call = `${request.method} ${url.pathname}`;
  switch (call) {
    case "GET /v1/identity":
      return Response.json(parts.identity);
    case "GET /v1/state":
      return Response.json(await parts.state());
    case "GET /v1/state/watch": {
      const gone = AbortSignal.any([request.signal, parts.over]);
      const stream = stateStream(parts.hub, parts.state, parts.heartbeatMs, gone);
      return new Response(stream, { headers: { "content-type": "application/x-ndjson" } });
    }
    case "GET /v1/load":
      return Response.json(await parts.load(request.signal));
    case "GET /v1/models":
      return Response.json({ models: parts.models?.available() ?? [] });
    case "POST /v1/models/digest":
      return await digest(request, parts.models, digests);
    case "POST /v1/models/load":
      return await load(request, parts.models);
    case "POST /v1/models/unload":
      return await unload(request, parts.models);
    case "GET /v1/llama-versions":
    case "POST /v1/llama-versions/install":
    case "POST /v1/llama-versions/cancel":
    case "POST /v1/llama-versions/use":
      return await llamaVersions(url.pathname.split("/").at(-1) ?? "", request, parts.installs);
    case "POST /v1/shutdown":
      return await shutdown(request, parts);
  }
  const ofProcess = await processRoute(request, parts.processes);
  if (ofProcess !== null) return ofProcess;
  const [, id, action] = /^\/v1\/engines\/([^/]+)\/(logs|start|stop|restart|check|adapters)$/.exec(url.pathname) ?? [];
  if (id === undefined) return refuse(404, `there is no ${call} here`);
  if (request.method !== (action === "logs" ? "GET" : "POST"))
    return refuse(405, `${call} is not a method of this path`);
  const engine = parts.sources.find((source) => source.id === decodeURIComponent(id));
  if (engine === undefined) {
    const known = parts.sources.map((source) => source.id).join(", ") || "none";
    return refuse(
      404,
      `there is no engine ${decodeURIComponent(id)} on this node (there is: ${known})`,
      "flock status",
    );
  }
  if (action === "logs") return logs(url, engine);
  if (action === "check") return await check(request, engine);
  if (action === "adapters") return await adapt(request, engine, parts.places);
  const done = action === "stop" ? await engine.halt() : action === "start" ? engine.resume() : engine.restart();
  if (done) return Response.json({});
  const { start } = engine.status();
  return refuse(409, `${engine.id} was not started by Flock, so Flock does not ${action} it`, start);
}

function logs(url: URL, engine: EngineSource): Response {
  const query = logsQuery.safeParse(Object.fromEntries(url.searchParams));
  return query.success ? Response.json(engine.logs(query.data.lines, query.data.after)) : invalid(query.error);
}

async function check(request: Request, engine: EngineSource): Promise<Response> {
  const body = checkBody.safeParse(await request.json().catch(() => null));
  return body.success ? Response.json(await engine.check(body.data)) : invalid(body.error);
}

async function llamaVersions(action: string, request: Request, installs: LlamaInstalls | null): Promise<Response> {
  if (installs === null) return refuse(409, "this agent installs no engines");
  if (request.method === "GET") return Response.json(installs.state());
  const body: unknown = await request.json().catch(() => null);
  if (action === "cancel") {
    installs.cancel();
    return Response.json({});
  }
  if (action === "use") {
    const wish = llamaUseBody.safeParse(body);
    if (!wish.success) return invalid(wish.error);
    const used = installs.use(wish.data.version);
    return used.ok ? Response.json(used.value) : refuseModel(used.error);
  }
  const wish = llamaInstallBody.safeParse(body);
  if (!wish.success) return invalid(wish.error);
  const taken = installs.install(wish.data);
  return taken.ok ? Response.json({}) : refuseModel(taken.error);
}

async function adapt(request: Request, engine: EngineSource, places: ModelPlaces): Promise<Response> {
  const body = adapterBody.safeParse(await request.json().catch(() => null));
  if (!body.success) return invalid(body.error);
  const { kind } = engine.status();
  const refusal = refusesAdapters(kind);
  if (refusal !== null) return refuseModel(refusal);
  if ("remove" in body.data) {
    const name = body.data.remove.toLowerCase();
    const removed = await engine.adapt({ action: "remove", name });
    return removed.ok ? Response.json({ model: name }) : refuseModel(removed.error);
  }
  const adapter = findAdapter(body.data.add, kind, places);
  if (!adapter.ok) return refuseModel(adapter.error);
  const added = await engine.adapt({ action: "add", adapter: adapter.value });
  return added.ok ? Response.json({ model: adapter.value.name }) : refuseModel(added.error);
}

async function load(request: Request, models: LoadedModels | null): Promise<Response> {
  const body = modelWish.safeParse(await request.json().catch(() => null));
  if (!body.success) return invalid(body.error);
  if (models === null) return refuseModel(NOT_OURS);
  const answer = models.load(body.data);
  return answer.ok ? Response.json(answer.value) : refuseModel(answer.error);
}

/** Answered at once; asked again until it is computed. */
async function digest(request: Request, models: LoadedModels | null, digests: ModelDigests): Promise<Response> {
  const body = unloadBody.safeParse(await request.json().catch(() => null));
  if (!body.success) return invalid(body.error);
  const { id } = body.data;
  const found = models?.available().find((one) => one.id === id);
  const answer = found === undefined ? null : digests.of(found.path);
  return answer === null ? refuse(404, `the file of ${id} is not there`, "flock model ls") : Response.json(answer);
}

async function unload(request: Request, models: LoadedModels | null): Promise<Response> {
  const body = unloadBody.safeParse(await request.json().catch(() => null));
  if (!body.success) return invalid(body.error);
  if (models === null) return refuseModel(NOT_OURS);
  const answer = await models.unload(body.data.id);
  return answer.ok ? Response.json({}) : refuseModel(answer.error);
}

const NOT_OURS: ModelRefusal = {
  status: 409,
  message: "this node's engine was not started by Flock, which loads no models into it",
  mend: "flock config set engine.preferred embedded",
};

function refuseModel({ status, message, mend }: ModelRefusal): Response {
  return refuse(status, message, mend);
}

async function shutdown(request: Request, parts: AgentServerParts): Promise<Response> {
  const body = shutdownBody.safeParse(await request.json().catch(() => null));
  if (!body.success) return invalid(body.error);
  if (body.data.engines)
    await Promise.all([...parts.sources.map((source) => source.stop()), parts.processes.stopAll()]);
  // After this answer has been handed over; the server's own stop then waits until it is out.
  setTimeout(parts.stop, 0);
  return Response.json({}, { headers: { connection: "close" } });
}

function invalid(error: z.ZodError): Response {
  const [issue] = error.issues;
  const where = issue?.path.join(".") ?? "";
  return refuse(400, `${where === "" ? "" : `${where}: `}${issue?.message ?? "not understood"}`);
}

function refuse(status: number, message: string, mend?: string): Response {
  return Response.json({ error: { message, ...(mend === undefined ? {} : { mend }) } }, { status });
}
