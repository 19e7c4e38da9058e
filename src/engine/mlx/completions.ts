import { err, ok } from "../../core/result.ts";
import { toRequestBody } from "../../dialect/openai-completions/request.ts";
import { decoder } from "../../dialect/openai-completions/stream.ts";
import type { CompletionWire } from "../driver.ts";
import { roomFor, unsupported } from "./limits.ts";

/** Over `/v1/completions`. Other fields than these it would pass over, or load files for. */
export const mlxCompletions: CompletionWire = {
  plan(request, extra, replica) {
    if (request.suffix !== undefined) return err(unsupported("suffix", "filling gaps on MLX-LM"));
    if (typeof request.prompt !== "string")
      return err(unsupported("token arrays", "prompts of token numbers on MLX-LM"));
    const [field] = Object.keys(extra);
    if (field !== undefined) return err(unsupported(field, `${field} on MLX-LM`));
    const { maxOutputTokens, prompt } = request;
    const limit = maxOutputTokens === undefined ? { max_tokens: roomFor(prompt.length, replica) } : {};
    const body = { ...toRequestBody(request), ...limit, model: replica.engineModel };
    return ok({ path: "/v1/completions", body: JSON.stringify(body) });
  },
  decode: () => decoder(),
};
