import type { Failure } from "../core/failure.ts";
import { newRequestId } from "../core/id.ts";
import type { Principal } from "../core/principal.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import { toErrorResponse } from "../dialect/failure-shape.ts";
import { Account } from "./account.ts";
import { authenticate } from "./authenticate.ts";
import { answerHeaders, askPolicies, resolve } from "./enter.ts";
import type { Choice, GatewayDeps } from "./ports.ts";
import { readBody } from "./read-body.ts";
import type { WholeRelay } from "./relay.ts";
import type { Ticker } from "./ticker.ts";
import { wholeAnswer } from "./whole-answer.ts";

/** What a client asks of an audio API; its bytes go to the engine but for the model's name. */
export interface AudioCall {
  readonly model: string;
  readonly promptTokensEstimate: number;
  /** Of the answer; engines are not always right about it. */
  readonly answerType: string;
  readonly contentType: string;
  body(engineModel: string): Uint8Array<ArrayBuffer>;
}

export interface AudioSurface {
  readonly endpoint: string;
  /** In words, after "cannot". */
  readonly ability: string;
  /** Where this replica does it; null: it cannot. */
  path(choice: Pick<Choice, "replica" | "wire">): string | null;
  parse(bytes: Uint8Array<ArrayBuffer>, contentType: string): Result<AudioCall, Failure>;
  /** What the engine counted; null where it did not. */
  usage(answer: Uint8Array, call: AudioCall): TokenUsage | null;
}

/**
 * Audio is relayed to an engine that can, whole; where none can, the answer is 501 and names the models that could. `served`:
 * the models that a key may use.
 */
export async function serveAudio(
  deps: GatewayDeps,
  ticker: Ticker,
  surface: AudioSurface,
  served: (principal: Principal) => readonly string[],
  request: Request,
): Promise<Response> {
  const requestId = newRequestId();
  const account = new Account(deps, requestId, "openai", surface.endpoint);
  const refuse = async (failure: Failure): Promise<Response> => {
    const shape = toErrorResponse("openai", failure, requestId);
    await account.fail(failure, shape.status);
    return new Response(shape.body, { status: shape.status, headers: { ...answerHeaders(account), ...shape.headers } });
  };
  const principal = authenticate(deps.keys, request.headers);
  if (!principal.ok) return refuse(principal.error);
  account.principal = principal.value;
  const bytes = await readBody(request, deps.limits.maxBodyBytes, deps.limits.uploadStallMs);
  if (!bytes.ok) return refuse(bytes.error);
  const parsed = surface.parse(bytes.value, request.headers.get("content-type") ?? "");
  if (!parsed.ok) return refuse(parsed.error);
  const call = parsed.value;

  const able = served(principal.value).filter((model) => {
    const choice = deps.replicas.peek(model);
    return choice !== null && surface.path(choice) !== null;
  });
  if (able.length === 0) return refuse(unable(surface, call.model, able));
  const resolved = resolve(deps, account, call.model, { chat: false, embeddings: false });
  if (!resolved.ok) return refuse(resolved.error);
  const { model } = resolved.value;
  if (!able.includes(model)) return refuse(unable(surface, call.model, able));
  account.promptTokensEstimate = call.promptTokensEstimate;
  const weight = { promptTokensEstimate: call.promptTokensEstimate, maxOutputTokens: 0 };
  const refused = await askPolicies(deps, account, { model, ...weight });
  if (refused) return refuse(refused);

  const relay: WholeRelay = {
    plan(choice) {
      const path = surface.path(choice);
      if (path === null) return err(unable(surface, call.model, able));
      return ok({ path, body: call.body(choice.replica.engineModel), contentType: call.contentType });
    },
    whole: (answer) => ok({ body: answer, usage: surface.usage(answer, call) }),
  };
  const answer = await wholeAnswer(deps, ticker, account, relay, model, request);
  if (!answer.ok) return refuse(answer.error);
  await account.succeed(answer.value.usage, 0);
  const headers = { "content-type": call.answerType, ...answerHeaders(account) };
  return new Response(answer.value.body as BodyInit, { headers });
}

function unable({ ability }: AudioSurface, model: string, able: readonly string[]): Failure {
  const others =
    able.length > 0
      ? `These can: ${able.slice(0, 20).join(", ")}.`
      : "No model that is served here can: an admin adds an engine and a model that do (`flock model add <id>`, `flock doctor`).";
  const message = `The model "${model.slice(0, 200)}" cannot ${ability}. ${others}`;
  return { kind: "unsupported", capability: ability, endpoint: true, message };
}
