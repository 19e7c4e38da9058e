import {
  isNodeService,
  type LinkFailure,
  type LinkRequest,
  type NodeOperation,
  type NodeService,
} from "../cluster/link.ts";
import { NODE_PATHS, NODE_PROTOCOL, type NodeRefusal, OLDEST_NODE_PROTOCOL } from "../cluster/node-protocol.ts";
import { connectRaw } from "../cluster/raw-connect.ts";
import { type RawSocket, splice } from "../cluster/raw-socket.ts";
import { SIGNED_HEADER } from "../cluster/signed-call.ts";
import { parseJson, writeLine } from "../cluster/transport/json-lines.ts";
import { failureResponse, FRESH_HEADER } from "../cluster/transport/relayed-failure.ts";
import { refuse } from "../cluster/transport/node-answer.ts";
import {
  refusalLine,
  STREAM_METHOD,
  streamHello,
  streamPath,
  type TunnelAnswer,
} from "../cluster/transport/tunnel-frames.ts";
import type { Clock } from "../core/clock.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";
import { answerStream } from "./answer-stream.ts";
import type { InFlight } from "./in-flight.ts";
import type { LeaderCheck } from "./leader-check.ts";

/** What a leader does not get to do: the agent is this machine's. */
const NOT_FOR_LEADERS: ReadonlySet<string> = new Set(["/v1/shutdown", "/v1/state/watch", "/v1/identity"]);
/** Headers of an engine's answer that mean something to a gateway. */
const PASSED_ON = ["content-type", "content-encoding", "retry-after", "x-request-id", "cache-control"];
const CONTROL_TIMEOUT_MS = 60_000;
const CONNECT_MS = 5_000;

export interface WorkerEndpointParts {
  readonly node: string;
  readonly version: string;
  readonly clock: Clock;
  readonly check: LeaderCheck;
  /** To an engine of this machine; the link adds its secret. */
  readonly fetch: (
    engineId: string,
    request: LinkRequest,
    signal: AbortSignal,
  ) => Promise<Result<EngineAnswer, Failure>>;
  readonly inFlight: InFlight;
  /** To this machine's agent. */
  readonly call: <Answer>(
    operation: NodeOperation<Answer>,
    signal: AbortSignal,
  ) => Promise<Result<Answer, LinkFailure>>;
  /** Port on loopback of a service; null: there is none of that name. */
  readonly portOf: (service: NodeService) => Promise<number | null>;
}

/** A worker's HTTP for its leader. Every call is signed; of inference calls the body is not, they come inside TLS. */
export function workerEndpoint(parts: WorkerEndpointParts): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    const signed = request.headers.get(SIGNED_HEADER);
    const path = pathname + search;
    const { method } = request;
    const [, engineId, rest] = /^\/engine\/([^/]+)(\/.*)$/.exec(pathname) ?? [];
    if (engineId !== undefined && rest !== undefined) {
      const called = parts.check.check(signed, { method, path, body: null });
      if (!called.ok) return refuse(called.error);
      return await relay(parts, decodeURIComponent(engineId), rest + search, request);
    }
    const body = await request.bytes();
    const called = parts.check.check(signed, { method, path, body });
    if (!called.ok) return refuse(called.error);
    if (pathname === NODE_PATHS.hello) {
      const { node: id, version, clock } = parts;
      return Response.json({
        id,
        protocol: NODE_PROTOCOL,
        oldestProtocol: OLDEST_NODE_PROTOCOL,
        version,
        at: clock.now(),
        audience: parts.check.audience,
      });
    }
    if (!pathname.startsWith("/v1/") || NOT_FOR_LEADERS.has(pathname)) {
      return refuse({ code: "not_found", message: `there is no ${method} ${pathname} here`, mend: "flock help" });
    }
    return await control(parts, method, path, body, request.signal);
  };
}

/** Takes byte streams to services of this machine; gets the first line's text. */
export function serviceStreams({ check, portOf }: WorkerEndpointParts): (socket: RawSocket, text: string) => void {
  const open = async (socket: RawSocket, text: string): Promise<void> => {
    const refuseLine = (refusal: NodeRefusal): void => {
      writeLine(socket, refusalLine(refusal));
      socket.end();
    };
    const hello = streamHello.safeParse(parseJson(text));
    if (!hello.success)
      return refuseLine({ code: "invalid", message: "the first line is no hello", mend: "flock update" });
    const { service, signed } = hello.data;
    const called = check.check(signed, { method: STREAM_METHOD, path: streamPath(service), body: null });
    if (!called.ok) return refuseLine(called.error);
    const port = isNodeService(service) ? await portOf(service) : null;
    if (port === null) return refuseLine(missing(`there is no ${service} on this node`));
    const inner = await connectRaw({ host: "127.0.0.1", port }, AbortSignal.timeout(CONNECT_MS));
    if (!inner.ok) return refuseLine(missing(`${service} cannot be reached: ${inner.error.message}`));
    writeLine(socket, { ok: true, protocol: NODE_PROTOCOL } satisfies TunnelAnswer);
    splice(socket, inner.value);
  };
  return (socket, text) => void open(socket, text);
}

async function relay(parts: WorkerEndpointParts, engineId: string, path: string, request: Request): Promise<Response> {
  const method = request.method === "GET" ? "GET" : "POST";
  const body = method === "GET" ? undefined : await request.bytes();
  const contentType = request.headers.get("content-type");
  const call = {
    method,
    path,
    ...(contentType === null ? {} : { headers: { "content-type": contentType } }),
    ...(body === undefined ? {} : { body }),
    fresh: request.headers.get(FRESH_HEADER) === "1",
  } as const;
  const over = parts.inFlight.begin(engineId);
  if (over === null) return failureResponse(stopping(engineId), engineId);
  const answer = await parts.fetch(engineId, call, request.signal);
  if (!answer.ok) {
    over();
    return failureResponse(answer.error, engineId);
  }
  const headers = new Headers();
  for (const name of PASSED_ON) {
    const value = answer.value.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(answerStream(answer.value, over), { status: answer.value.status, headers });
}

/** Nothing was begun: the gateway asks another node. */
function stopping(engine: string): Failure {
  return {
    kind: "engine_unreachable",
    engine,
    endpoint: "its node is stopping",
    start: "flock up   # on that machine",
  };
}

async function control(
  parts: WorkerEndpointParts,
  method: string,
  path: string,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<Response> {
  const operation: NodeOperation<unknown> = {
    method: method === "GET" ? "GET" : "POST",
    path,
    ...(body.length === 0 ? {} : { body: parseJson(Buffer.from(body).toString("utf8")) }),
    timeoutMs: CONTROL_TIMEOUT_MS,
    read: (answer) => ({ value: answer }),
  };
  const answer = await parts.call(operation, signal);
  if (answer.ok) return Response.json(answer.value ?? {});
  const { kind, message, mend } = answer.error;
  const status = kind === "unknown_engine" ? 404 : kind === "refused" ? 409 : 502;
  return Response.json({ error: { message, mend } }, { status });
}

function missing(message: string): NodeRefusal {
  return { code: "not_found", message, mend: "flock node ls" };
}
