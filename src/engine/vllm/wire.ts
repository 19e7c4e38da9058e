import { z } from "zod";
import type { JsonObject } from "../../core/chat-request.ts";
import { err, ok } from "../../core/result.ts";
import { estimatePrompt, estimateTokens } from "../../dialect/estimate-tokens.ts";
import { toRequestBody } from "../../dialect/openai-chat/request.ts";
import { fromResponseBody } from "../../dialect/openai-chat/response.ts";
import { decoder } from "../../dialect/openai-chat/stream.ts";
import type { EngineWire } from "../driver.ts";
import { unseenMedia } from "../lacking-ability.ts";
import { remoteMedia, remoteMediaIn } from "../remote-media.ts";
import { cacheSalt } from "./cache-salt.ts";
import { vllmCompletions } from "./completions.ts";
import { FITTED, fitOutput } from "./fit-output.ts";
import { readVllmError } from "./read-error.ts";

const tokenized = z.looseObject({ count: z.int().nonnegative() });

/**
 * vLLM's OpenAI routes, and only those: it serves others that change the server itself. Each tenant's prompts are cached
 * apart, or the time to the first token would tell one tenant what another has asked.
 */
export const vllmWire: EngineWire = {
  kind: "vllm",
  dialect: "openai-chat",
  chatPath: "/v1/chat/completions",
  embeddingsPath: "/v1/embeddings",
  shortensVectors: true,
  completions: vllmCompletions,
  rerankPath: "/v1/rerank",
  transcriptionsPath: "/v1/audio/transcriptions",
  // It takes the same body as a chat, and gives the tokens too.
  countPath: "/tokenize",
  readCount: (answer) => {
    const parsed = tokenized.safeParse(answer);
    return parsed.success ? parsed.data.count : null;
  },
  echoesModel: false,
  plan(request, replica, tenant) {
    const refused = unseenMedia(request, replica.abilities, "vLLM") ?? remoteMedia(request);
    if (refused) return err(refused);
    const { user: _, ...body } = toRequestBody(request);
    const salted: JsonObject = { ...body, model: replica.engineModel, cache_salt: cacheSalt(tenant, undefined) };
    const text = JSON.stringify(salted);
    const estimate = (): number => estimatePrompt(request, [replica.engineModel]);
    const fitted = fitOutput(request.maxOutputTokens, text.length, estimate, replica.contextTokens);
    if (fitted === null) return ok({ path: "/v1/chat/completions", body: text });
    if (fitted === "lifted") delete salted.max_tokens;
    else salted.max_tokens = fitted;
    return ok({ path: "/v1/chat/completions", body: JSON.stringify(salted), adjusted: [FITTED] });
  },
  amend(body, replica, tenant) {
    const refused = remoteMediaIn(body);
    if (refused) return err(refused);
    const given = body.json("cache_salt");
    const salt = cacheSalt(tenant, typeof given === "string" ? given : undefined);
    // It is refused unless the server was started for it, and Flock has priorities of its own.
    const remove = body.raw("priority") === undefined ? [] : ["priority"];
    const adjusted = remove.map((name) => `${name} ignored`);
    const set: Record<string, string> = { cache_salt: JSON.stringify(salt) };
    for (const name of ["max_completion_tokens", "max_tokens"]) {
      const limit = Number(body.raw(name) ?? "0");
      if (!(limit > 0)) continue;
      const prompt = `${body.raw("messages")}${body.raw("tools") ?? ""}`;
      const fitted = fitOutput(limit, prompt.length, () => estimateTokens(prompt), replica.contextTokens);
      if (fitted === null) continue;
      if (fitted === "lifted") remove.push(name);
      else set[name] = String(fitted);
      adjusted.push(FITTED);
    }
    return ok({ set, remove, adjusted: [...new Set(adjusted)] });
  },
  decode: decoder,
  readAnswer: fromResponseBody,
  readError: readVllmError,
};
