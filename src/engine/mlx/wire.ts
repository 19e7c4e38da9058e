import type { JsonObject } from "../../core/chat-request.ts";
import { err, ok } from "../../core/result.ts";
import { toRequestBody } from "../../dialect/openai-chat/request.ts";
import { fromResponseBody } from "../../dialect/openai-chat/response.ts";
import { decoder } from "../../dialect/openai-chat/stream.ts";
import type { EngineWire } from "../driver.ts";
import { unseenMedia } from "../lacking-ability.ts";
import { amendMlxBody } from "./amend.ts";
import { mlxCompletions } from "./completions.ts";
import { NO_STREAMED_LOGPROBS, refusedFeature, roomFor, surelyTooLong } from "./limits.ts";
import { readMlxError } from "./read-error.ts";

/**
 * mlx_lm.server. It loads, or downloads, whatever `model` a request names: every request names the one that it serves.
 * Fields that it does not know it passes over in silence: here they are translated, or refused by name.
 */
export const mlxWire: EngineWire = {
  kind: "mlx",
  dialect: "openai-chat",
  chatPath: "/v1/chat/completions",
  embeddingsPath: null,
  completions: mlxCompletions,
  countPath: null,
  echoesModel: false,
  plan(request, replica) {
    const unseen = unseenMedia(request, replica.abilities, "MLX-LM");
    if (unseen) return err(unseen);
    const refused = refusedFeature({ toolChoice: request.toolChoice?.kind, output: request.output.kind });
    if (refused) return err(refused);
    // The server has no tool choice: a model that may not call is not told of tools.
    const { toolChoice, ...rest } = request;
    const { maxOutputTokens, tools } = rest;
    const withheld = toolChoice?.kind === "none" && tools.length > 0;
    const body: JsonObject = {
      ...toRequestBody(withheld ? { ...rest, tools: [] } : rest),
      model: replica.engineModel,
      ...(request.thinking ? { chat_template_kwargs: { enable_thinking: request.thinking.enabled } } : {}),
    };
    const { length } = JSON.stringify(body.messages);
    const tooLong = surelyTooLong(length, replica);
    if (tooLong) return err(tooLong);
    if (maxOutputTokens === undefined) body.max_tokens = roomFor(length, replica);
    const adjusted = [
      ...(withheld ? ["tools withheld"] : []),
      ...(request.logprobs && request.stream ? [NO_STREAMED_LOGPROBS] : []),
    ];
    return ok({ path: "/v1/chat/completions", body: JSON.stringify(body), adjusted });
  },
  amend: amendMlxBody,
  decode: decoder,
  readAnswer: fromResponseBody,
  readError: readMlxError,
};
