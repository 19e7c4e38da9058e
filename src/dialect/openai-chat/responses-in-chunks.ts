import { ok } from "../../core/result.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import type { ChatDialect } from "../dialect.ts";
import { parseRequest } from "../openai-responses/request.ts";
import { openaiChat } from "./dialect.ts";

/** Cursor's agent mode asks in the form of the Responses API, and wants the chunks of this one. */
export const responsesInChunks: ChatDialect = {
  ...openaiChat,
  ignored: () => [],
  parseRequest(body) {
    const request = parseRequest(body);
    if (!request.ok) return request;
    const options = isJsonObject(body) ? body.stream_options : null;
    const includeUsage = request.value.stream && isJsonObject(options) && options.include_usage === true;
    return ok({ ...request.value, includeUsage });
  },
};
