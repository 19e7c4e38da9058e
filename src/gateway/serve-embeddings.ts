import type { Failure } from "../core/failure.ts";
import { newRequestId } from "../core/id.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import { toErrorResponse } from "../dialect/failure-shape.ts";
import { parseEmbeddingsRequest } from "../dialect/openai-embeddings.ts";
import { modelRewriter } from "../dialect/rewrite-model.ts";
import { splice } from "../wire/splice.ts";
import { Account } from "./account.ts";
import { answerHeaders, askPolicies, enter, type Incoming, resolve } from "./enter.ts";
import type { GatewayDeps } from "./ports.ts";
import type { WholeRelay } from "./relay.ts";
import type { Ticker } from "./ticker.ts";
import { wholeAnswer } from "./whole-answer.ts";

/** `POST /v1/embeddings`: the same seven steps; bytes pass through but for the model's name. */
export async function serveEmbeddings(deps: GatewayDeps, ticker: Ticker, request: Incoming): Promise<Response> {
  const requestId = newRequestId();
  const account = new Account(deps, requestId, "openai", "/v1/embeddings");
  const refuse = async (failure: Failure): Promise<Response> => {
    const shape = toErrorResponse("openai", failure, requestId);
    await account.fail(failure, shape.status);
    return new Response(shape.body, { status: shape.status, headers: shape.headers });
  };
  const scanned = await enter(deps, account, request);
  if (!scanned.ok) return refuse(scanned.error);
  const body = scanned.value;
  const parsed = parseEmbeddingsRequest(body.parse());
  if (!parsed.ok) return refuse(parsed.error);
  const resolved = resolve(deps, account, parsed.value.model, { chat: false, embeddings: true });
  if (!resolved.ok) return refuse(resolved.error);
  const { model } = resolved.value;
  account.promptTokensEstimate = parsed.value.promptTokensEstimate;
  // There is no call that counts these: their bytes are the most they can weigh.
  const { byteLength } = body.bytes;
  const refused = askPolicies(deps, account, { model, promptTokensEstimate: byteLength, maxOutputTokens: 0 });
  if (refused) return refuse(refused);

  const relay: WholeRelay = {
    plan({ replica, wire }) {
      if (wire.embeddingsPath === null) return err(withoutEmbeddings(model));
      const edits = wire.echoesModel ? {} : { set: { model: JSON.stringify(replica.engineModel) } };
      return ok({ path: wire.embeddingsPath, body: splice(body, edits) });
    },
    whole(answer, { wire, replica }) {
      const text = new TextDecoder().decode(answer);
      const usage = readUsage(text);
      if (!usage.ok) return usage;
      const rename = modelRewriter(wire.echoesModel ? parsed.value.model : replica.engineModel, parsed.value.model);
      return ok({ body: rename(answer), usage: usage.value });
    },
  };
  const answer = await wholeAnswer(deps, ticker, account, relay, model, request);
  if (!answer.ok) return refuse(answer.error);
  await account.succeed(answer.value.usage, 0);
  const headers = { "content-type": "application/json", ...answerHeaders(account) };
  return new Response(answer.value.body as BodyInit, { headers });
}

function withoutEmbeddings(model: string): Failure {
  const message = `The engine that serves "${model}" has no embeddings.`;
  return { kind: "unsupported", capability: "embeddings", endpoint: false, message };
}

/** Vectors may weigh megabytes: only the usage object, which comes after or before them, is parsed. */
function readUsage(text: string): Result<TokenUsage, Failure> {
  const broken = err({ kind: "engine_failed", engine: "engine", cause: "its answer could not be read" } as const);
  const at = text.lastIndexOf('"usage"');
  const open = text.indexOf("{", at);
  const close = text.indexOf("}", open);
  if (at < 0 || open < 0 || close < 0 || !text.includes('"data"')) return broken;
  try {
    const usage = JSON.parse(text.slice(open, close + 1)) as { prompt_tokens?: unknown };
    return ok({ promptTokens: Number(usage.prompt_tokens ?? 0) || 0, completionTokens: 0, cachedTokens: 0 });
  } catch {
    return broken;
  }
}
