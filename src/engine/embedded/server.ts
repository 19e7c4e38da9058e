import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { newId } from "../../core/id.ts";
import { ok, type Result } from "../../core/result.ts";
import { chat, countTokens } from "./chat.ts";
import { complete } from "./completion.ts";
import type { Counters } from "./counters.ts";
import { embed } from "./embeddings.ts";
import {
  type EngineError,
  errorResponse,
  invalidRequest,
  notFound,
  serverError,
  unauthenticated,
  unavailable,
} from "./engine-error.ts";
import type { LoadedModel } from "./load-model.ts";
import { describeMemory, describeModel, listModels } from "./props.ts";
import { Requests } from "./requests.ts";
import type { WorkContext } from "./respond.ts";
import { rerank } from "./rerank.ts";
import type { EngineSettings } from "./settings.ts";
import { detokenize, tokenize } from "./tokens.ts";

export interface EngineServer {
  readonly port: number;
  /** Random, new at each start: tells this life of the engine from another one on the same port. */
  readonly instance: string;
  readonly counters: Counters;
  /** From now on requests are answered. */
  serve(loaded: LoadedModel): void;
  /** From now on /health says why nothing ever will be. */
  fail(reason: string): void;
  /** Takes no more requests, and resolves when those in work are over or were cut off after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

type State =
  | { readonly status: "loading" | "stopping" }
  | { readonly status: "failed"; readonly reason: string }
  | { readonly status: "ok"; readonly loaded: LoadedModel };

/** The gateway refuses bodies over 64 MB in its own words; this one is for whoever gets past it. */
const MAX_BODY_BYTES = 80 * 2 ** 20;

type Route = (request: Request, context: WorkContext) => Promise<Response> | Response;

const ROUTES: Readonly<Record<string, Route>> = {
  "GET /v1/models": (_, context) => Response.json(listModels(context.loaded, context.modelId, context.clock.now())),
  "GET /props": (_, context) => Response.json(describeModel(context.loaded, context.modelId)),
  "GET /memory": (_, context) => Response.json(describeMemory(context.loaded)),
  "POST /v1/chat/completions": async (request, context) =>
    await withBody(request, (body) => chat(body, context, request.signal)),
  "POST /v1/completions": async (request, context) =>
    await withBody(request, (body) => complete(body, context, request.signal)),
  "POST /v1/chat/completions/input_tokens": async (request, context) =>
    await withBody(request, (body) => {
      const count = countTokens(body, context);
      return toResponse(count.ok ? ok({ input_tokens: count.value }) : count);
    }),
  "POST /tokenize": async (request, context) =>
    await withBody(request, (body) => toResponse(tokenize(body, context.loaded.model))),
  "POST /detokenize": async (request, context) =>
    await withBody(request, (body) => toResponse(detokenize(body, context.loaded.model))),
  "POST /v1/embeddings": async (request, context) =>
    await withBody(request, (body) => reading(embed, body, context, request.signal)),
  "POST /v1/rerank": async (request, context) =>
    await withBody(request, (body) => reading(rerank, body, context, request.signal)),
};

export function startServer(settings: EngineSettings, clock: Clock, log: (line: string) => void): EngineServer {
  const instance = newId("eng");
  const requests = new Requests();
  let state: State = { status: "loading" };

  const handle = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname === "/health" && request.method === "GET") return health(state, instance);
    if (!isAuthorised(request, settings.secret)) return errorResponse(unauthenticated());
    if (pathname === "/counters" && request.method === "GET") {
      return Response.json({ ...requests.counters, evaluating: requests.counters.sequencesBusy > 0 });
    }
    const route = ROUTES[`${request.method} ${pathname}`];
    if (!route) return errorResponse(notFound());
    if (state.status !== "ok") return errorResponse(unavailable(whyNot(state)));
    return await route(request, { loaded: state.loaded, modelId: settings.modelId, requests, clock, log });
  };

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: settings.port,
    // A long prompt sends nothing for minutes; who hangs up is noticed by the connection itself.
    idleTimeout: 0,
    maxRequestBodySize: MAX_BODY_BYTES,
    fetch: handle,
    error(error) {
      log(`a request failed: ${error.stack ?? error.message}`);
      return errorResponse(serverError());
    },
  });

  return {
    port: server.port ?? settings.port,
    instance,
    counters: requests.counters,
    serve: (loaded) => {
      state = { status: "ok", loaded };
    },
    fail: (reason) => {
      state = { status: "failed", reason };
    },
    stop: async (graceMs) => {
      state = { status: "stopping" };
      await requests.drain(graceMs);
      await server.stop(true);
    },
  };
}

function whyNot(state: Exclude<State, { status: "ok" }>): string {
  if (state.status === "failed") return state.reason;
  return state.status === "loading" ? "Loading model" : "the engine is shutting down";
}

function health(state: State, instance: string): Response {
  const status = state.status === "ok" ? 200 : 503;
  const reason = state.status === "failed" ? { reason: state.reason } : {};
  return Response.json({ status: state.status, instance, ...reason }, { status });
}

function isAuthorised(request: Request, secret: string): boolean {
  const given = request.headers.get("authorization") ?? "";
  // Hashes have one length, which the constant-time comparison needs.
  return timingSafeEqual(sha256(given), sha256(`Bearer ${secret}`));
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

async function withBody(request: Request, answer: (body: unknown) => Promise<Response> | Response): Promise<Response> {
  const text = await request.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return errorResponse(invalidRequest("the body is not valid JSON"));
  }
  return await answer(body);
}

function toResponse(answer: Result<object, EngineError>): Response {
  return answer.ok ? Response.json(answer.value) : errorResponse(answer.error);
}

/** Work that reads and gives one answer: counted, and stopped when the client hangs up. */
async function reading(
  work: typeof embed | typeof rerank,
  body: unknown,
  context: WorkContext,
  clientSignal: AbortSignal,
): Promise<Response> {
  const { loaded, modelId, requests } = context;
  const running = requests.begin(clientSignal);
  try {
    const answer = await work(body, loaded, modelId, requests.counters, running.signal);
    running.end(answer.ok ? "finished" : "failed");
    return toResponse(answer);
  } catch (error) {
    running.end("failed");
    if (running.signal.aborted) return errorResponse(unavailable("the request was cancelled"));
    throw error;
  }
}
