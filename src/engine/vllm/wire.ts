import { z } from "zod";
import { err, ok } from "../../core/result.ts";
import { toRequestBody } from "../../dialect/openai-chat/request.ts";
import { fromResponseBody } from "../../dialect/openai-chat/response.ts";
import { decoder } from "../../dialect/openai-chat/stream.ts";
import type { EngineWire } from "../driver.ts";
import { unseenMedia } from "../lacking-ability.ts";
import { cacheSalt } from "./cache-salt.ts";
import { vllmCompletions } from "./completions.ts";
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
    const unseen = unseenMedia(request, replica.abilities, "vLLM");
    if (unseen) return err(unseen);
    const { user: _, ...body } = toRequestBody(request);
    const salted = { ...body, model: replica.engineModel, cache_salt: cacheSalt(tenant, undefined) };
    return ok({ path: "/v1/chat/completions", body: JSON.stringify(salted) });
  },
  amend(body, _replica, tenant) {
    const given = body.json("cache_salt");
    const salt = cacheSalt(tenant, typeof given === "string" ? given : undefined);
    // It is refused unless the server was started for it, and Flock has priorities of its own.
    const remove = body.raw("priority") === undefined ? [] : ["priority"];
    const adjusted = remove.map((name) => `${name} ignored`);
    return ok({ set: { cache_salt: JSON.stringify(salt) }, remove, adjusted });
  },
  decode: decoder,
  readAnswer: fromResponseBody,
  readError: readVllmError,
};
