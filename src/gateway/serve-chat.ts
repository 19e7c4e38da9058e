import type { Failure } from "../core/failure.ts";
import type { Reply } from "../core/reply.ts";
import { newRequestId } from "../core/id.ts";
import { ok, type Result } from "../core/result.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import { toErrorResponse } from "../dialect/failure-shape.ts";
import { Account } from "./account.ts";
import { isUnlimited } from "./admit.ts";
import type { ChatSurface, PreparedChat } from "./chat-surface.ts";
import { countPrompt, mayNotFit, refuseTooLong } from "./count-prompt.ts";
import { answerHeaders, askPolicies, enter, type Incoming, resolve } from "./enter.ts";
import { BYTES_PER_TOKEN, FETCHED_TOKENS, fetchedMedia, readPolicyFields } from "./policy-fields.ts";
import type { GatewayDeps } from "./ports.ts";
import type { Relay } from "./relay.ts";
import { relayFor } from "./relay-for.ts";
import { quietPeriod } from "./quiet-period.ts";
import { STREAM_HEADERS, streamReply } from "./stream-reply.ts";
import { StreamedAnswer } from "./streamed-answer.ts";
import type { Ticker } from "./ticker.ts";
import { toResponse } from "./to-response.ts";
import { wholeAnswer } from "./whole-answer.ts";

interface ChatAsk {
  readonly model: string;
  readonly promptTokensEstimate: number;
  readonly maxOutputTokens: number | null;
}

type WholeGrant = Failure | "granted" | "piecemeal";

const AS_IT_IS: Result<PreparedChat, Failure> = ok({});

/** The record of an answer that was cut off waits so long for its count. */
const COUNT_AFTER_MS = 2000;

/** As `replyToChat`, for a server that speaks in `Response`s. */
export async function serveChat(
  deps: GatewayDeps,
  ticker: Ticker,
  surface: ChatSurface,
  request: Incoming,
): Promise<Response> {
  return toResponse(await replyToChat(deps, ticker, surface, request));
}

/** One request's life, in the seven steps of the design. Never rejects: a failure is a reply. */
export async function replyToChat(
  deps: GatewayDeps,
  ticker: Ticker,
  surface: ChatSurface,
  request: Incoming,
): Promise<Reply> {
  const requestId = newRequestId();
  const kind = surface.dialect.surface;
  const account = new Account(deps, requestId, kind, surface.endpoint);
  const refuse = async (failure: Failure): Promise<Reply> => {
    const shape = toErrorResponse(kind, failure, requestId);
    await account.fail(failure, shape.status);
    return { status: shape.status, headers: { ...answerHeaders(account), ...shape.headers }, body: shape.body };
  };

  const entered = enter(deps, account, request);
  const body = entered instanceof Promise ? await entered : entered;
  if (!body.ok) return refuse(body.error);
  const fields = readPolicyFields(surface, body.value);
  if (!fields.ok) return refuse(fields.error);
  const { stream, maxOutputTokens, choices } = fields.value;
  const resolved = resolve(deps, account, fields.value.model, { chat: true, embeddings: false });
  if (!resolved.ok) return refuse(resolved.error);
  const { model } = resolved.value;
  account.promptTokensEstimate = fields.value.promptTokensEstimate;
  account.maxOutputTokens = maxOutputTokens;
  const prepared = surface.prepare ? await surface.prepare(body.value, account) : AS_IT_IS;
  if (!prepared.ok) return refuse(prepared.error);
  const { adjusted = [], echo } = prepared.value;
  account.adjustedBefore = adjusted;
  account.onSuccess = prepared.value.onSuccess ?? null;
  const promptTokensEstimate = weightOf(account, prepared.value, body.value);
  const ask = { model, promptTokensEstimate, maxOutputTokens };
  const metered = (account.principal?.limits.dailyTokens ?? 0) > 0;
  const asked =
    stream || !metered
      ? null
      : admitWhole(deps, account, { ...ask, contextTokens: resolved.value.contextTokens, choices });
  const granted = asked instanceof Promise ? await asked : asked;
  if (granted !== null && granted !== "piecemeal" && granted !== "granted") return refuse(granted);

  const made = relayFor({
    dialect: prepared.value.dialect ?? surface.dialect,
    passthrough: prepared.value.dialect ? null : surface.passthrough,
    body: body.value,
    ...(prepared.value.body === undefined ? {} : { translated: prepared.value.body }),
    requestedModel: fields.value.model,
    stream,
    collect: granted === "piecemeal",
    tenant: account.principal?.keyId ?? "",
    answerAdjusted: (what) => account.adjust(what),
    meta: {
      id: `${surface.idPrefix}${requestId.slice(4)}`,
      model: fields.value.model,
      createdAt: Date.now(),
      includeUsage: false,
      promptTokensEstimate,
      now: () => Date.now(),
      ...(echo === undefined ? {} : { echo }),
    },
  });
  if (!made.ok) return refuse(made.error);
  const relay = made.value;

  if (granted !== "granted") {
    const refused = await admitChat(deps, account, relay, ask, request);
    if (refused) return refuse(refused);
  }
  if (mayNotFit(resolved.value, body.value.bytes.byteLength)) {
    const refused = await refuseTooLong(deps, relay, resolved.value, request.signal);
    if (refused) return refuse(refused);
  }

  if (!relay.engineStreams) {
    const answer = await wholeAnswer(deps, ticker, account, relay, model, request);
    if (!answer.ok) return refuse(answer.error);
    await account.succeed(answer.value.usage, 0);
    return wholeReply(answer.value.body, account);
  }

  const answer = new StreamedAnswer(deps, ticker, account, relay, model, request);
  const opening = answer.open();
  if (!relay.streaming) {
    const failure = await opening;
    if (failure) return refuse(failure);
    const whole = await answer.next();
    const broken = answer.failure;
    return broken ? refuse(broken) : wholeReply(whole ?? "", account);
  }

  const first = await Promise.race([opening, quietPeriod(deps, answer)]);
  if (first !== "quiet" && first !== null) return refuse(first);
  const headers = { "content-type": surface.streamType, ...STREAM_HEADERS, ...answerHeaders(account) };
  return streamReply({ deps, account, relay, answer, opening, headers, keepAlive: surface.keepAlive });
}

/** What the bytes that came do not say: a conversation that is continued by its id, images that an engine is to fetch. */
function weightOf(account: Account, { body }: PreparedChat, scanned: ScannedBody): number {
  if (account.principal !== null && !isUnlimited(account.principal.limits)) {
    const bytes = body === undefined ? scanned.bytes.byteLength : Buffer.byteLength(JSON.stringify(body));
    const text = Math.max(account.promptTokensEstimate, Math.ceil(bytes / BYTES_PER_TOKEN));
    account.promptTokensEstimate = text + fetchedMedia(scanned) * FETCHED_TOKENS;
  }
  return account.promptTokensEstimate;
}

/**
 * Step 4 for an answer in one piece. A daily quota must be able to end an answer in time: where it has plenty of room, all
 * that the answer can take is set aside at once; otherwise the engine streams and the pieces are added up here.
 */
function admitWhole(
  deps: GatewayDeps,
  account: Account,
  ask: ChatAsk & { readonly contextTokens: number | undefined; readonly choices: number },
): WholeGrant | Promise<WholeGrant> {
  const { contextTokens, model, promptTokensEstimate } = ask;
  const maxOutputTokens = Math.min(ask.maxOutputTokens ?? Infinity, (contextTokens ?? Infinity) * ask.choices);
  if (maxOutputTokens === Infinity) return "piecemeal";
  const most = promptTokensEstimate * BYTES_PER_TOKEN;
  const refused = askPolicies(deps, account, { model, promptTokensEstimate: most, maxOutputTokens, allAtOnce: true });
  return refused instanceof Promise ? refused.then(toGrant) : toGrant(refused);
}

function toGrant(refused: Failure | null): WholeGrant {
  if (refused === null) return "granted";
  return refused.kind === "quota_exceeded" ? "piecemeal" : refused;
}

/**
 * Step 4. A key with a daily quota must never be overspent, so its prompt weighs as much as its bytes allow; where only
 * that guess stands in the way, the engine's exact count decides.
 */
async function admitChat(
  deps: GatewayDeps,
  account: Account,
  relay: Relay,
  ask: ChatAsk,
  { signal }: Incoming,
): Promise<Failure | null> {
  if ((account.principal?.limits.dailyTokens ?? 0) === 0) return askPolicies(deps, account, ask);
  const most = ask.promptTokensEstimate * BYTES_PER_TOKEN;
  const refused = await askPolicies(deps, account, { ...ask, promptTokensEstimate: most });
  if (refused?.kind !== "quota_exceeded") {
    account.countPrompt = () => countPrompt(deps, relay, ask.model, AbortSignal.timeout(COUNT_AFTER_MS));
    return refused;
  }
  const counted = await countPrompt(deps, relay, ask.model, signal);
  if (counted === null) return refused;
  account.promptTokensEstimate = counted;
  return askPolicies(deps, account, { ...ask, promptTokensEstimate: counted });
}

function wholeReply(body: Uint8Array | string, account: Account): Reply {
  return { status: 200, headers: { "content-type": "application/json", ...answerHeaders(account) }, body };
}
