import type { ChatRequest } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import type { ModelAbilities } from "../core/replica.ts";

/**
 * What a chat shows the model that it cannot see or hear; null: nothing. Some engines pass over such parts in silence,
 * others answer 500: refused here, nothing need be sent.
 */
export function unseenMedia(request: ChatRequest, can: ModelAbilities, engine: string): Failure | null {
  for (const part of request.messages.flatMap((message) => message.parts)) {
    const inside = part.type === "tool_result" ? part.content : [part];
    for (const { type } of inside) {
      if (type === "image" && !can.images) return cannot("images", engine, request.model);
      if (type === "audio" && !can.audio) return cannot("audio", engine, request.model);
    }
  }
  return null;
}

function cannot(capability: string, engine: string, model: string): Failure {
  return {
    kind: "unsupported",
    capability,
    endpoint: false,
    message: `${model} on ${engine} does not support ${capability}. GET /v1/models lists what each model can do.`,
  };
}
