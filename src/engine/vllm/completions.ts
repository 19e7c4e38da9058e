import { ok } from "../../core/result.ts";
import { toRequestBody } from "../../dialect/openai-completions/request.ts";
import { decoder } from "../../dialect/openai-completions/stream.ts";
import type { CompletionWire } from "../driver.ts";
import { cacheSalt } from "./cache-salt.ts";

/** Over OpenAI's route. A suffix is for models made to fill gaps; vLLM knows which, and refuses it of others by name. */
export const vllmCompletions: CompletionWire = {
  plan(request, extra, replica, tenant) {
    const { cache_salt: given, ...rest } = extra;
    const salt = cacheSalt(tenant, typeof given === "string" ? given : undefined);
    const body = { ...toRequestBody(request, rest), model: replica.engineModel, cache_salt: salt };
    return ok({ path: "/v1/completions", body: JSON.stringify(body) });
  },
  decode: () => decoder(),
};
