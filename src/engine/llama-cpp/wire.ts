import { toRequestBody } from "../../dialect/openai-chat/request.ts";
import { fromResponseBody } from "../../dialect/openai-chat/response.ts";
import { decoder } from "../../dialect/openai-chat/stream.ts";
import { err, ok } from "../../core/result.ts";
import type { EngineWire } from "../driver.ts";
import { unseenMedia } from "../lacking-ability.ts";
import { remoteMedia, remoteMediaIn } from "../remote-media.ts";
import { llamaServerCompletions } from "./completions.ts";
import { LLAMA_SERVER_START } from "./manage.ts";
import { readLlamaServerError } from "./read-error.ts";

const ENGINE = { name: "llama-server", start: LLAMA_SERVER_START } as const;

/** A llama-server that a person started. Its answers carry its own alias, whatever was asked for. */
export const llamaCppWire: EngineWire = {
  kind: "llamacpp",
  dialect: "openai-chat",
  chatPath: "/v1/chat/completions",
  embeddingsPath: "/v1/embeddings",
  completions: llamaServerCompletions,
  rerankPath: "/v1/rerank",
  transcriptionsPath: "/v1/audio/transcriptions",
  countPath: "/v1/chat/completions/input_tokens",
  echoesModel: false,
  namesItsModel: true,
  plan(request, replica) {
    const refused = unseenMedia(request, replica.abilities, "llama-server") ?? remoteMedia(request);
    if (refused) return err(refused);
    const { lora } = replica;
    const body = { ...toRequestBody(request), model: replica.engineModel, ...(lora ? { lora } : {}) };
    return ok({ path: "/v1/chat/completions", body: JSON.stringify(body) });
  },
  amend(body, replica) {
    // A model that sees nothing refuses them itself, and fetches nothing.
    const refused = replica.abilities.images ? remoteMediaIn(body) : null;
    if (refused) return err(refused);
    const { lora } = replica;
    return ok({ set: lora ? { lora: JSON.stringify(lora) } : {}, remove: [], adjusted: [] });
  },
  decode: decoder,
  readAnswer: fromResponseBody,
  readError: (status, body, replica) => readLlamaServerError(ENGINE, status, body, replica),
};
