import type { ChatRequest, JsonObject } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import { newRequestId } from "../core/id.ts";
import { shimForLocal } from "../dialect/agent-shim.ts";
import type { ChatDialect } from "../dialect/dialect.ts";
import { estimatePrompt } from "../dialect/estimate-tokens.ts";
import { toErrorResponse } from "../dialect/failure-shape.ts";
import { Account } from "./account.ts";
import { countPrompt } from "./count-prompt.ts";
import { enter, resolve } from "./enter.ts";
import type { GatewayDeps, Resolved } from "./ports.ts";
import { translatingRelay } from "./translating-relay.ts";

/** One API that counts a prompt, as a client sees it. */
export interface CountSurface {
  readonly endpoint: string;
  readonly dialect: ChatDialect;
  toAnswer(inputTokens: number): JsonObject;
}

/**
 * The tokens of a prompt, system and tools included, without a slot, a quota or a usage row; agents send 25 of these at
 * once. Exact where the engine counts; otherwise an estimate that says so in `x-flock-count`.
 */
export async function serveCountTokens(deps: GatewayDeps, surface: CountSurface, request: Request): Promise<Response> {
  const { endpoint, dialect } = surface;
  const requestId = newRequestId();
  const refuse = (failure: Failure): Response => {
    const shape = toErrorResponse(dialect.surface, failure, requestId);
    return new Response(shape.body, { status: shape.status, headers: shape.headers });
  };
  // The books of this request are read (who, which model) and never closed: there is nothing to charge.
  const account = new Account(UNCOUNTED, requestId, dialect.surface, endpoint);
  const body = await enter(deps, account, request);
  if (!body.ok) return refuse(body.error);
  const chat = dialect.parseRequest(body.value.parse());
  if (!chat.ok) return refuse(chat.error);
  const resolved = resolve(deps, account, chat.value.model, { chat: true, embeddings: false });
  if (!resolved.ok) return refuse(resolved.error);
  const meta = { id: requestId, model: chat.value.model, createdAt: 0, includeUsage: false, promptTokensEstimate: 0 };
  const tenant = account.principal?.keyId ?? "";
  const uncollected = { dialect, request: { ...chat.value, stream: false }, meta, collect: false, tenant };
  const relay = translatingRelay(uncollected);
  const counted = await countPrompt(deps, relay, resolved.value.model, request.signal);
  const headers: Record<string, string> = { "x-request-id": requestId, "request-id": requestId };
  if (counted === null) headers["x-flock-count"] = "estimate";
  const inputTokens = counted ?? estimate(deps, chat.value, resolved.value);
  return Response.json(surface.toAnswer(inputTokens), { headers });
}

function estimate(deps: GatewayDeps, chat: ChatRequest, { model, contextTokens = Infinity }: Resolved): number {
  const { request } = shimForLocal(chat, contextTokens);
  const engineModel = deps.replicas.peek(model)?.replica.engineModel;
  return estimatePrompt(request, engineModel === undefined ? [model] : [model, engineModel]);
}

const nothing = (): void => undefined;
const UNCOUNTED = {
  usage: { append: () => Promise.resolve() },
  metrics: { requestStarted: nothing, requestEnded: nothing, streamOpened: nothing, streamClosed: nothing },
  node: "",
};
