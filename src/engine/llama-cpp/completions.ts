import type { CompletionRequest } from "../../core/completion-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok } from "../../core/result.ts";
import { infillCuts, toInfillBody } from "../../dialect/llama-infill/request.ts";
import { decoder as infillDecoder } from "../../dialect/llama-infill/stream.ts";
import { toRequestBody } from "../../dialect/openai-completions/request.ts";
import { decoder } from "../../dialect/openai-completions/stream.ts";
import type { CompletionWire } from "../driver.ts";

/** llama-server goes on with a text over OpenAI's API, and fills gaps over one of its own. */
export const llamaServerCompletions: CompletionWire = {
  plan(request, given, replica) {
    const { lora } = replica;
    const extra = lora ? { ...given, lora: lora.map((one) => ({ ...one })) } : given;
    if (request.suffix === undefined) {
      return ok({ path: "/v1/completions", body: JSON.stringify(toRequestBody(request, extra)) });
    }
    const { prompt } = request;
    if (typeof prompt !== "string") return err(tokensWithSuffix());
    const body = JSON.stringify(toInfillBody({ ...request, prompt }, extra));
    return ok({ path: "/infill", body, adjusted: infillCuts({ ...request, prompt }) });
  },
  decode: (request: CompletionRequest) => (request.suffix === undefined ? decoder() : infillDecoder()),
};

function tokensWithSuffix(): Failure {
  const message = "llama-server fills gaps between texts only: send the prompt of a request with suffix as text.";
  return { kind: "unsupported", capability: "suffix", endpoint: false, message };
}
