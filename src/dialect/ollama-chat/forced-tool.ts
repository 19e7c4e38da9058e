import type { ChatEvent, StreamDecoder } from "../../core/chat-event.ts";
import type { ChatRequest, Message } from "../../core/chat-request.ts";

/**
 * Ollama has no tool choice, but it can be held to a JSON schema: where only one tool can be meant, its parameters as
 * the output format force the same arguments. Clients get their structured output this way.
 */
export interface ForcedTool {
  readonly name: string;
  /** The request to send in place of the client's; `untranslatable` has nothing against its tool choice. */
  readonly request: ChatRequest;
}

/** Null: no call is forced, or several tools could be meant. */
export function forcedTool(request: ChatRequest): ForcedTool | null {
  const { toolChoice, ...rest } = request;
  if (toolChoice?.kind !== "required" && toolChoice?.kind !== "tool") return null;
  const meant =
    toolChoice.kind === "tool" ? request.tools.filter(({ name }) => name === toolChoice.name) : request.tools;
  const [tool] = meant;
  if (!tool || meant.length > 1) return null;
  const output = { kind: "json_schema", name: tool.name, schema: tool.parameters, strict: true } as const;
  // The model is still told what it fills in: a schema does not say what it is for.
  const hint = `Answer with the arguments of the function ${tool.name}, as JSON.${tool.description ? ` ${tool.description}` : ""}`;
  return { name: tool.name, request: { ...rest, tools: [], output, messages: withHint(request.messages, hint) } };
}

/** At the end, where the prefix cache does not mind it, and as the user: templates want the system first or not at all. */
function withHint(messages: readonly Message[], text: string): Message[] {
  const last = messages.at(-1);
  if (last?.role !== "user") return [...messages, { role: "user", parts: [{ type: "text", text }] }];
  return [...messages.slice(0, -1), { ...last, parts: [...last.parts, { type: "text", text }] }];
}

/** The events of such an answer as those of the call: its text is the arguments. `callId` is new for each answer. */
export function asForcedCall(name: string, callId: string): (events: readonly ChatEvent[]) => ChatEvent[] {
  let opened = false;
  const open = (): ChatEvent[] => {
    if (opened) return [];
    opened = true;
    return [{ type: "tool_call", index: 0, id: callId, name }];
  };
  return (events) =>
    events.flatMap((event): ChatEvent[] => {
      if (event.type === "text") return [...open(), { type: "tool_arguments", index: 0, json: event.text }];
      if (event.type !== "done") return [event];
      return [...open(), event.reason === "stop" ? { type: "done", reason: "tool_calls" } : event];
    });
}

export function forcedToolDecoder(inner: StreamDecoder, name: string, callId: string): StreamDecoder {
  const convert = asForcedCall(name, callId);
  return { push: (bytes) => convert(inner.push(bytes)), end: () => convert(inner.end()) };
}
