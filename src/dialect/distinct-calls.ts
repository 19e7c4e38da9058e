import type { ChatEvent, StreamDecoder } from "../core/chat-event.ts";
import type { ChatRequest } from "../core/chat-request.ts";

type Convert = (events: readonly ChatEvent[]) => ChatEvent[];

/**
 * Some models write the ids of their calls themselves, and begin anew with each answer ("0", `functions.read:0`). A client
 * that has seen an id answered takes the call for an old one: Claude Code then asks without end. A call whose id stands in
 * the conversation gets another one. Null: there is no earlier call.
 */
export function distinctCalls(request: ChatRequest, newCallId: () => string): Convert | null {
  const parts = request.messages.flatMap((message) => message.parts);
  const used = new Set(parts.flatMap((part) => (part.type === "tool_call" ? [asSent(part.id)] : [])));
  if (used.size === 0) return null;
  return (events) =>
    events.map((event) =>
      event.type === "tool_call" && used.has(asSent(event.id)) ? { ...event, id: newCallId() } : event,
    );
}

export function withDistinctCalls(decoder: StreamDecoder, convert: Convert | null): StreamDecoder {
  if (convert === null) return decoder;
  return { push: (bytes) => convert(decoder.push(bytes)), end: () => convert(decoder.end()) };
}

/** Anthropic's clients get ids without other characters. */
function asSent(id: string): string {
  return id.replaceAll(/[^a-zA-Z0-9_-]/g, "_");
}
