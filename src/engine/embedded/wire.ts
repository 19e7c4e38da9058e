import type { ChatRequest } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import type { ModelAbilities } from "../../core/replica.ts";
import { err, ok } from "../../core/result.ts";
import { toRequestBody } from "../../dialect/openai-chat/request.ts";
import { fromResponseBody } from "../../dialect/openai-chat/response.ts";
import { decoder } from "../../dialect/openai-chat/stream.ts";
import { toRequestBody as toCompletionBody } from "../../dialect/openai-completions/request.ts";
import { decoder as completionDecoder } from "../../dialect/openai-completions/stream.ts";
import type { EngineWire } from "../driver.ts";
import { readLlamaServerError } from "../llama-cpp/read-error.ts";
import { EMBEDDED_START } from "./manage.ts";

const ENGINE = { name: "embedded", start: EMBEDDED_START } as const;

/** Flock's own engine: speaks llama-server's dialect, and echoes the name that was asked for. */
export const embeddedWire: EngineWire = {
  kind: "embedded",
  dialect: "openai-chat",
  chatPath: "/v1/chat/completions",
  embeddingsPath: "/v1/embeddings",
  completions: {
    plan: (request, extra) => ok({ path: "/v1/completions", body: JSON.stringify(toCompletionBody(request, extra)) }),
    decode: completionDecoder,
  },
  rerankPath: "/v1/rerank",
  countPath: "/v1/chat/completions/input_tokens",
  echoesModel: true,
  plan(request, replica) {
    const lacking = lackingAbility(request, replica.abilities);
    if (lacking !== null) return err(unsupported(lacking));
    return ok({ path: "/v1/chat/completions", body: JSON.stringify(toRequestBody(request)) });
  },
  decode: decoder,
  readAnswer: fromResponseBody,
  readError: (status, body, replica) => readLlamaServerError(ENGINE, status, body, replica),
};

/**
 * The engine would refuse these too; here nothing need be sent first. Tools are not among them: a model whose template
 * knows none has them described in words.
 */
function lackingAbility(request: ChatRequest, can: ModelAbilities): string | null {
  for (const part of request.messages.flatMap((message) => message.parts)) {
    if (part.type === "image" && !can.images) return "images";
    if (part.type === "audio" && !can.audio) return "audio";
  }
  return null;
}

function unsupported(capability: string): Failure {
  return {
    kind: "unsupported",
    capability,
    endpoint: false,
    message: `the embedded engine does not support ${capability}`,
  };
}
