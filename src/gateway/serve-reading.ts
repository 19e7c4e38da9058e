import type { JsonObject } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import { newRequestId } from "../core/id.ts";
import type { Result } from "../core/result.ts";
import { NO_TOKENS } from "../core/token-usage.ts";
import { toErrorResponse, type Surface } from "../dialect/failure-shape.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import { Account } from "./account.ts";
import { answerHeaders, askPolicies, enter, type Incoming, resolve } from "./enter.ts";
import type { GatewayDeps, Need } from "./ports.ts";
import type { WholeAnswer, WholeRelay } from "./relay.ts";
import type { Ticker } from "./ticker.ts";
import { wholeAnswer } from "./whole-answer.ts";

/** What every call has whose model only reads: vectors, rankings. */
export interface ReadingCall {
  readonly model: string;
  readonly promptTokensEstimate: number;
  /** Fields that have no effect, for `x-flock-adjusted`. */
  readonly ignored?: readonly string[];
}

/** One API of this kind as a client sees it. */
export interface ReadingSurface<Call extends ReadingCall> {
  readonly endpoint: string;
  readonly surface: Surface;
  readonly need: Need;
  parse(body: JsonObject): Result<Call, Failure>;
  /** What is answered without an engine, once the model is known; null: an engine is needed. */
  atOnce?(call: Call): JsonObject | null;
  relay(call: Call, body: ScannedBody, account: Account): WholeRelay;
}

/** The seven steps of a call that gives one answer in one piece. */
export async function serveReading<Call extends ReadingCall>(
  deps: GatewayDeps,
  ticker: Ticker,
  surface: ReadingSurface<Call>,
  request: Incoming,
): Promise<Response> {
  const requestId = newRequestId();
  const account = new Account(deps, requestId, surface.surface, surface.endpoint);
  const refuse = async (failure: Failure): Promise<Response> => {
    const shape = toErrorResponse(surface.surface, failure, requestId);
    await account.fail(failure, shape.status);
    return new Response(shape.body, { status: shape.status, headers: { ...answerHeaders(account), ...shape.headers } });
  };
  const succeed = async ({ body, usage }: WholeAnswer): Promise<Response> => {
    await account.succeed(usage, 0);
    const headers = { "content-type": "application/json", ...answerHeaders(account) };
    return new Response(body as BodyInit, { headers });
  };
  const body = await enter(deps, account, request);
  if (!body.ok) return refuse(body.error);
  const parsed = surface.parse(body.value.parse());
  if (!parsed.ok) return refuse(parsed.error);
  const call = parsed.value;
  const resolved = resolve(deps, account, call.model, surface.need);
  if (!resolved.ok) return refuse(resolved.error);
  account.adjustedBefore = call.ignored ?? [];
  account.adjusted = account.adjustedBefore.join("; ");
  const nothing = surface.atOnce?.(call) ?? null;
  if (nothing !== null) return succeed({ body: JSON.stringify(nothing), usage: NO_TOKENS });

  const { model } = resolved.value;
  account.promptTokensEstimate = call.promptTokensEstimate;
  // There is no call that counts these: their bytes are the most they can weigh, and all that a daily quota may trust.
  const metered = (account.principal?.limits.dailyTokens ?? 0) > 0;
  const promptTokensEstimate = metered ? body.value.bytes.byteLength : call.promptTokensEstimate;
  const refused = await askPolicies(deps, account, { model, promptTokensEstimate, maxOutputTokens: 0 });
  if (refused) return refuse(refused);
  const relay = surface.relay(call, body.value, account);
  const answer = await wholeAnswer(deps, ticker, account, relay, model, request);
  return answer.ok ? succeed(answer.value) : refuse(answer.error);
}
