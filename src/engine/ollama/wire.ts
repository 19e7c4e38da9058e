import type { ChatEvent, StreamDecoder } from "../../core/chat-event.ts";
import type { ChatRequest } from "../../core/chat-request.ts";
import { newId } from "../../core/id.ts";
import type { Replica } from "../../core/replica.ts";
import { err, ok } from "../../core/result.ts";
import { asForcedCall, forcedTool } from "../../dialect/ollama-chat/forced-tool.ts";
import { planRequest, unsaid } from "../../dialect/ollama-chat/request.ts";
import { fromResponseBody } from "../../dialect/ollama-chat/response.ts";
import { decoder } from "../../dialect/ollama-chat/stream.ts";
import type { AnswerReader, EngineWire } from "../driver.ts";
import { unseenMedia } from "../lacking-ability.ts";
import { ollamaCompletions } from "./completions.ts";
import { ollamaEmbeddings } from "./embeddings.ts";
import { readOllamaError, readOllamaText } from "./read-error.ts";

/**
 * Ollama over its own API. Its `/v1` can set neither the context's size nor that a prompt is not cut to fit it; each
 * request here has the same `num_ctx` for a model, since another one would load it anew.
 */
export const ollamaWire: EngineWire = {
  kind: "ollama",
  dialect: "ollama-chat",
  chatPath: "/api/chat",
  embeddingsPath: null,
  embeddings: ollamaEmbeddings,
  shortensVectors: true,
  completions: ollamaCompletions,
  countPath: null,
  echoesModel: false,
  plan(request, replica) {
    const unseen = unseenMedia(request, replica.abilities, "Ollama");
    if (unseen) return err(unseen);
    const forced = forcedTool(request);
    const { keepAlive } = replica;
    const body = planRequest(forced?.request ?? request, {
      model: replica.engineModel,
      numCtx: replica.contextTokens,
      canThink: replica.abilities.thinking,
      ...(keepAlive === undefined ? {} : { keepAlive }),
    });
    if (!body.ok) return body;
    const adjusted = adjustments(request, replica, forced !== null);
    return ok({
      path: "/api/chat",
      body: JSON.stringify(body.value),
      ...(adjusted.length > 0 ? { adjusted } : {}),
      reader: answerReader(replica, forced?.name ?? null),
    });
  },
  decode: decoder,
  readAnswer: fromResponseBody,
  readError: readOllamaError,
};

function adjustments(request: ChatRequest, replica: Replica, forced: boolean): string[] {
  const said = unsaid(request).map((field) => `${field} ignored`);
  if (forced) said.push("tool_choice as a JSON schema");
  if (request.thinking?.enabled && !replica.abilities.thinking) said.push("thinking ignored");
  return said;
}

/** What an error line means depends on the replica; a forced call comes as text that is its arguments. */
function answerReader(replica: Replica, forced: string | null): AnswerReader {
  const understand = (): ((events: readonly ChatEvent[]) => ChatEvent[]) => {
    const toCall = forced === null ? null : asForcedCall(forced, newId("call"));
    return (events) => (toCall ? toCall(events) : events).map((event) => explained(event, replica));
  };
  return {
    decode(): StreamDecoder {
      const inner = decoder();
      const convert = understand();
      return { push: (bytes) => convert(inner.push(bytes)), end: () => convert(inner.end()) };
    },
    readAnswer: (body) => understand()(fromResponseBody(body)),
  };
}

function explained(event: ChatEvent, replica: Replica): ChatEvent {
  if (event.type !== "failed" || event.failure.kind !== "engine_failed") return event;
  return { type: "failed", failure: readOllamaText(event.failure.cause, replica, null) };
}
