import type { CancelSignal } from "../core/cancellation.ts";
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
import { replyHeaders } from "./reply-headers.ts";
import type { Relay } from "./relay.ts";
import { relayFor } from "./relay-for.ts";
import { quietPeriod } from "./quiet-period.ts";
import { streamReply } from "./stream-reply.ts";
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

const JSON_HEADERS = { "content-type": "application/json" };

const now = (): number => Date.now();

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
  const account = new Account(deps, requestId, surface.dialect.surface, surface.endpoint);
  const entered = enter(deps, account, request);
  const body = entered instanceof Promise ? await entered : entered;
  if (!body.ok) return refuse(surface, account, body.error);
  const fields = readPolicyFields(surface, body.value);
  if (!fields.ok) return refuse(surface, account, fields.error);
  const { stream, maxOutputTokens, choices } = fields.value;
  const resolved = resolve(deps, account, fields.value.model, { chat: true, embeddings: false });
  if (!resolved.ok) return refuse(surface, account, resolved.error);
  const { model } = resolved.value;
  account.promptTokensEstimate = fields.value.promptTokensEstimate;
  account.maxOutputTokens = maxOutputTokens;
  const preparing = surface.prepare?.(body.value, account) ?? AS_IT_IS;
  const prepared = preparing instanceof Promise ? await preparing : preparing;
  if (!prepared.ok) return refuse(surface, account, prepared.error);
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
  if (granted !== null && granted !== "piecemeal" && granted !== "granted") return refuse(surface, account, granted);

  const made = relayFor({
    dialect: prepared.value.dialect ?? surface.dialect,
    passthrough: prepared.value.dialect ? null : surface.passthrough,
    body: body.value,
    translated: prepared.value.body,
    requestedModel: fields.value.model,
    stream,
    collect: granted === "piecemeal",
    tenant: account.principal?.keyId ?? "",
    account,
    meta: {
      id: `${surface.idPrefix}${requestId.slice(4)}`,
      model: fields.value.model,
      createdAt: Date.now(),
      includeUsage: false,
      promptTokensEstimate,
      now,
      ...(echo === undefined ? {} : { echo }),
    },
  });
  if (!made.ok) return refuse(surface, account, made.error);
  const relay = made.value;

  if (granted !== "granted") {
    const asking = admitChat(deps, account, relay, ask, request);
    const refused = asking instanceof Promise ? await asking : asking;
    if (refused) return refuse(surface, account, refused);
  }
  if (mayNotFit(resolved.value, body.value.bytes.byteLength)) {
    const refused = await refuseTooLong(deps, relay, resolved.value, request.signal);
    if (refused) return refuse(surface, account, refused);
  }

  if (!relay.engineStreams) {
    const answer = await wholeAnswer(deps, ticker, account, relay, model, request);
    if (!answer.ok) return refuse(surface, account, answer.error);
    await account.succeed(answer.value.usage, 0);
    return wholeReply(answer.value.body, account);
  }

  const answer = new StreamedAnswer(deps, ticker, account, relay, model, request);
  const opening = answer.open();
  if (!relay.streaming) {
    const failure = await opening;
    if (failure) return refuse(surface, account, failure);
    const whole = await answer.next();
    const broken = answer.failure;
    return broken ? refuse(surface, account, broken) : wholeReply(whole ?? "", account);
  }

  const first = await Promise.race([opening, quietPeriod(deps, answer)]);
  if (first !== "quiet" && first !== null) return refuse(surface, account, first);
  const { streamType, keepAlive } = surface;
  return streamReply({ deps, account, relay, answer, opening, streamType, keepAlive });
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
function admitChat(
  deps: GatewayDeps,
  account: Account,
  relay: Relay,
  ask: ChatAsk,
  { signal }: Incoming,
): Failure | null | Promise<Failure | null> {
  if ((account.principal?.limits.dailyTokens ?? 0) === 0) return askPolicies(deps, account, ask);
  const most = ask.promptTokensEstimate * BYTES_PER_TOKEN;
  const asked = askPolicies(deps, account, { ...ask, promptTokensEstimate: most });
  const decide = (refused: Failure | null): Failure | null | Promise<Failure | null> => {
    if (refused?.kind === "quota_exceeded") return admitCounted(deps, account, relay, ask, refused, signal);
    account.countPrompt = () => countPrompt(deps, relay, ask.model, AbortSignal.timeout(COUNT_AFTER_MS));
    return refused;
  };
  return asked instanceof Promise ? asked.then(decide) : decide(asked);
}

async function admitCounted(
  deps: GatewayDeps,
  account: Account,
  relay: Relay,
  ask: ChatAsk,
  refused: Failure,
  signal: CancelSignal,
): Promise<Failure | null> {
  const counted = await countPrompt(deps, relay, ask.model, signal);
  if (counted === null) return refused;
  account.promptTokensEstimate = counted;
  return askPolicies(deps, account, { ...ask, promptTokensEstimate: counted });
}

async function refuse(surface: ChatSurface, account: Account, failure: Failure): Promise<Reply> {
  const { status, headers, body } = toErrorResponse(surface.dialect.surface, failure, account.requestId);
  await account.fail(failure, status);
  return { status, headers: { ...answerHeaders(account), ...headers }, body };
}

function wholeReply(body: Uint8Array | string, account: Account): Reply {
  return { status: 200, ...replyHeaders(account, JSON_HEADERS), body };
}
