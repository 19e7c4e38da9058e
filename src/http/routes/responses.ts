import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import { ok } from "../../core/result.ts";
import type { ChatDialect } from "../../dialect/dialect.ts";
import { openaiResponses } from "../../dialect/openai-responses/dialect.ts";
import { inputItems, referencedItems, withHistory } from "../../dialect/openai-responses/history.ts";
import { droppedFields, echoOf, readStoreFields } from "../../dialect/openai-responses/request-fields.ts";
import { encoder as responsesEncoder } from "../../dialect/openai-responses/stream.ts";
import { type ChatSurface, SSE } from "../../gateway/chat-surface.ts";
import type { ResponseStore } from "../../gateway/response-store.ts";

/** `POST /v1/responses` (OpenAI Responses). Conversations that a client wants to continue by id are kept in `store`. */
export function responses(store: ResponseStore): ChatSurface {
  return {
    endpoint: "/v1/responses",
    dialect: openaiResponses,
    passthrough: null,
    idPrefix: "resp_",
    maxTokensFields: ["max_output_tokens"],
    streamsByDefault: false,
    streamType: SSE,
    keepAlive: new TextEncoder().encode(openaiResponses.keepAlive),
    async prepare(scanned, account) {
      const body = scanned.parse();
      const keyId = account.principal?.keyId ?? "";
      const { store: keep, previousResponseId } = readStoreFields(body);
      // An id that is unknown stays in the body: the dialect refuses it by name.
      const history = previousResponseId === null ? null : await store.resolve(keyId, previousResponseId);
      const found = new Map<string, JsonObject>();
      for (const id of referencedItems(body)) {
        const item = await store.item(keyId, id);
        if (item) found.set(id, item);
      }
      const unknown = history === null && (body.previous_response_id ?? null) !== null;
      const whole: JsonValue = unknown ? body : withHistory(body, history ?? [], (id) => found.get(id) ?? null);
      const told = listening();
      return ok({
        body: whole,
        dialect: told.dialect,
        echo: echoOf(body, whole),
        adjusted: droppedFields(body),
        async onSuccess() {
          const said = told.said();
          if (!keep || said === null || typeof said.id !== "string") return;
          const { id, output, ...head } = said;
          const input = inputItems(body).map(
            (item) => (typeof item.id === "string" ? found.get(item.id) : null) ?? item,
          );
          const items = [...input, ...(output as JsonObject[])];
          await store.put(keyId, {
            id,
            history: history ?? [],
            items,
            inputs: input.length,
            head: { ...head, id },
          });
        },
      });
    },
  };
}

/** The dialect, and the response that went through it: what the client got is what it may refer to later. */
function listening(): { dialect: ChatDialect; said: () => JsonObject | null } {
  let said: () => JsonObject | null = () => null;
  return {
    said: () => said(),
    dialect: {
      ...openaiResponses,
      encoder(meta) {
        const encoder = responsesEncoder(meta);
        said = () => encoder.response;
        return encoder;
      },
      toResponseBody(answer, meta) {
        const response = openaiResponses.toResponseBody(answer, meta);
        said = () => response;
        return response;
      },
    },
  };
}
