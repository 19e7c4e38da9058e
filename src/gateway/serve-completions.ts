import type { ChatAnswer } from "../core/chat-answer.ts";
import type { CompletionAsk } from "../core/completion-request.ts";
import type { Failure } from "../core/failure.ts";
import { newRequestId } from "../core/id.ts";
import { sumUsage } from "../core/token-usage.ts";
import type { AnswerMeta } from "../dialect/answer-meta.ts";
import { toErrorResponse } from "../dialect/failure-shape.ts";
import { Account } from "./account.ts";
import { ChoiceAnswers } from "./choice-answers.ts";
import { completionRelay } from "./completion-relay.ts";
import type { CompletionSurface } from "./completion-surface.ts";
import { answerHeaders, askPolicies, enter, type Incoming, resolve } from "./enter.ts";
import type { GatewayDeps } from "./ports.ts";
import { quietPeriod } from "./quiet-period.ts";
import { streamReply } from "./stream-reply.ts";
import { toResponse } from "./to-response.ts";
import type { Ticker } from "./ticker.ts";

/** What English prose and code come to. */
const BYTES_PER_TOKEN = 4;

/** A completion takes the seven steps of a chat; each choice of it is an engine call of its own. */
export async function serveCompletions(
  deps: GatewayDeps,
  ticker: Ticker,
  surface: CompletionSurface,
  request: Incoming,
): Promise<Response> {
  const requestId = newRequestId();
  const kind = surface.dialect.surface;
  const account = new Account(deps, requestId, kind, surface.endpoint);
  const refuse = async (failure: Failure): Promise<Response> => {
    const shape = toErrorResponse(kind, failure, requestId);
    await account.fail(failure, shape.status);
    return new Response(shape.body, { status: shape.status, headers: { ...answerHeaders(account), ...shape.headers } });
  };
  const body = await enter(deps, account, request);
  if (!body.ok) return refuse(body.error);
  const parsed = surface.dialect.parseRequest(body.value.parse());
  if (!parsed.ok) return refuse(parsed.error);
  const ask = parsed.value;
  const resolved = resolve(deps, account, ask.model, { chat: true, embeddings: false });
  if (!resolved.ok) return refuse(resolved.error);
  account.adjustedBefore = ask.adjusted;

  const { model } = resolved.value;
  // A key with a daily quota must never be overspent: no text has more tokens than bytes, and no call counts them.
  const bytes = promptBytes(ask);
  const metered = (account.principal?.limits.dailyTokens ?? 0) > 0;
  account.promptTokensEstimate = metered ? bytes : Math.ceil(bytes / BYTES_PER_TOKEN);
  const weight = { promptTokensEstimate: account.promptTokensEstimate, maxOutputTokens: mostOutput(ask) };
  const refused = await askPolicies(deps, account, { model, ...weight });
  if (refused) return refuse(refused);

  const meta: AnswerMeta = {
    id: `${surface.idPrefix}${requestId.slice(4)}`,
    model: ask.model,
    createdAt: Date.now(),
    includeUsage: ask.includeUsage,
    promptTokensEstimate: account.promptTokensEstimate,
    now: () => Date.now(),
  };
  const answers: ChatAnswer[] = [];
  const relays = ask.choices.map((choice, index) =>
    completionRelay({
      tenant: account.principal?.keyId ?? "",
      ask,
      request: choice,
      encoder: () => surface.dialect.encoder(meta, { index, last: index === ask.choices.length - 1 }),
      countWith: (usage) => sumUsage([choices.usage, usage]),
      collected: (answer) => {
        answers[index] = answer;
      },
    }),
  );
  const choices = new ChoiceAnswers({ deps, ticker, account, model, client: request, relays });

  if (!ask.stream) {
    const failure = await choices.gather();
    if (failure) return refuse(failure);
    await account.succeed(choices.usage, 0);
    const headers = { "content-type": "application/json", ...answerHeaders(account) };
    return new Response(JSON.stringify(surface.dialect.toResponseBody(answers, meta)), { headers });
  }
  const opening = choices.open();
  const first = await Promise.race([opening, quietPeriod(deps, choices)]);
  if (first !== "quiet" && first !== null) return refuse(first);
  const keepAlive = new TextEncoder().encode(surface.dialect.keepAlive);
  const relay = {
    failBeforeStart: (failure: Failure) => relays[0]?.failBeforeStart(failure) ?? new Uint8Array(),
  };
  return toResponse(
    streamReply({ deps, account, relay, answer: choices, opening, streamType: surface.streamType, keepAlive }),
  );
}

/** A token's number counts as the bytes of a usual token would. */
function promptBytes({ choices }: CompletionAsk): number {
  const weigh = (part: string | readonly number[]): number =>
    typeof part === "string" ? Buffer.byteLength(part) : part.length * BYTES_PER_TOKEN;
  return choices.reduce((sum, { prompt, suffix }) => sum + weigh(prompt) + weigh(suffix ?? "") + 1, 0);
}

/** All choices together; null: one of them has no limit. */
function mostOutput({ choices }: CompletionAsk): number | null {
  let sum = 0;
  for (const { maxOutputTokens } of choices) {
    if (maxOutputTokens === undefined) return null;
    sum += maxOutputTokens;
  }
  return sum;
}
