import type { BufferedRequest } from "../../core/buffered-request.ts";
import type { Reply } from "../../core/reply.ts";
import type { EnteredRequest } from "../../gateway/enter.ts";
import { enterEarly } from "../../gateway/enter.ts";
import type { GatewayDeps } from "../../gateway/ports.ts";
import { replyToChat, serveChat } from "../../gateway/serve-chat.ts";
import { serveCompletions } from "../../gateway/serve-completions.ts";
import { replyToResidency } from "../../gateway/serve-residency.ts";
import type { Ticker } from "../../gateway/ticker.ts";
import { toResponse } from "../../gateway/to-response.ts";
import { ollamaInsertSurface } from "./completions.ts";
import { ollamaChatSurface, ollamaGenerateSurface } from "./ollama-chat.ts";

/** `POST /api/chat`: a chat, or nothing to say, which loads the model. */
export async function replyToOllamaChat(
  gateway: GatewayDeps,
  ticker: Ticker,
  raw: Request | BufferedRequest,
): Promise<Reply> {
  const request = await enterEarly(gateway, raw);
  return isEmpty(request, "messages")
    ? replyToResidency(gateway, "chat", request)
    : replyToChat(gateway, ticker, ollamaChatSurface, request);
}

/** As `replyToOllamaChat`, for a server that speaks in `Response`s. */
export async function serveOllamaChat(gateway: GatewayDeps, ticker: Ticker, raw: Request): Promise<Response> {
  return toResponse(await replyToOllamaChat(gateway, ticker, raw));
}

/** `POST /api/generate`: a chat of one turn, a text to go on with (`raw`, `suffix`), or nothing to say. */
export async function serveOllamaGenerate(gateway: GatewayDeps, ticker: Ticker, raw: Request): Promise<Response> {
  const request = await enterEarly(gateway, raw);
  if (isEmpty(request, "prompt")) return toResponse(await replyToResidency(gateway, "generate", request));
  const body = request.body.ok ? request.body.value : null;
  const completes = body?.boolean("raw") === true || (body?.string("suffix") ?? "") !== "";
  return completes
    ? serveCompletions(gateway, ticker, ollamaInsertSurface, request)
    : serveChat(gateway, ticker, ollamaGenerateSurface, request);
}

/** Absent, null, `""` or `[]`. */
function isEmpty({ body }: EnteredRequest, field: string): boolean {
  if (!body.ok) return false;
  const span = body.value.get(field);
  if (!span) return true;
  // Longer values are something, and need not be looked into.
  if (span.valueEnd - span.valueStart > 32) return false;
  return /^(null|""|\[\s*\])$/.test(body.value.raw(field) ?? "");
}
