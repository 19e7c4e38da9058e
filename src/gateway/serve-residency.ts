import type { Failure } from "../core/failure.ts";
import { newRequestId } from "../core/id.ts";
import type { Reply } from "../core/reply.ts";
import { NO_TOKENS } from "../core/token-usage.ts";
import { toErrorResponse } from "../dialect/failure-shape.ts";
import { isUnloadRequest, toResidencyAnswer } from "../dialect/ollama-chat/keep-alive.ts";
import { Account } from "./account.ts";
import { answerHeaders, enter, type EnteredRequest, resolve } from "./enter.ts";
import type { GatewayDeps } from "./ports.ts";
import { RouteRequest } from "./route-request.ts";

/**
 * `/api/chat` and `/api/generate` without anything to say: Ollama's clients warm a model up with it, or let go of it. The
 * answer comes when a replica is there. Models stay loaded: they are an admin's, and others use them.
 */
export async function replyToResidency(
  deps: GatewayDeps,
  api: "chat" | "generate",
  request: EnteredRequest,
): Promise<Reply> {
  const requestId = newRequestId();
  const account = new Account(deps, requestId, "ollama", `/api/${api}`);
  const refuse = async (failure: Failure): Promise<Reply> => {
    const shape = toErrorResponse("ollama", failure, requestId);
    await account.fail(failure, shape.status);
    return { ...shape, headers: { ...answerHeaders(account), ...shape.headers } };
  };
  const body = await enter(deps, account, request);
  if (!body.ok) return refuse(body.error);
  const name = body.value.string("model") ?? "";
  if (name === "") return refuse({ kind: "invalid_request", field: "model", message: "model is required" });
  const resolved = resolve(deps, account, name, { chat: false, embeddings: false });
  if (!resolved.ok) return refuse(resolved.error);
  const { model } = resolved.value;
  if (deps.replicas.peek(model) === null) {
    // An engine that is starting is waited for; the slot itself is of no use.
    const choice = await deps.replicas.pick(
      new RouteRequest(account, model, { patient: true }),
      new Set(),
      request.signal,
    );
    if (!choice.ok) return refuse(choice.error);
    choice.value.lease.end(null);
  }
  const unload = isUnloadRequest(body.value.parse());
  if (body.value.has("keep_alive")) account.adjusted = "keep_alive ignored: models stay loaded";
  await account.succeed(NO_TOKENS, 0);
  const answer = toResidencyAnswer(api, name, Date.now(), unload ? "unload" : "load");
  const headers = { "content-type": "application/json", ...answerHeaders(account) };
  return { status: 200, headers, body: JSON.stringify(answer) };
}
