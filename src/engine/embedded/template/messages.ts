import type { JsonObject, JsonValue } from "../../../core/chat-request.ts";
import type { ChatTool, ChatTurn } from "../chat-call.ts";

/** A message as templates know it. */
export type TemplateMessage = JsonObject & { role: string; content: string };

/** What a template can take; found out by trying, see `probe.ts`. */
export interface TemplateAbilities {
  /** It shows declared tools. */
  readonly tools: boolean;
  /** It shows earlier calls, with their arguments as this; null: it does not. */
  readonly calls: "object" | "text" | null;
  readonly system: boolean;
}

/** Turns into messages, with what the template cannot show told in words. */
export function toMessages(
  turns: readonly ChatTurn[],
  tools: readonly ChatTool[],
  abilities: TemplateAbilities,
  shortIds: boolean,
): TemplateMessage[] {
  const names = new Map<string, string>();
  const id = (given: string): string => (shortIds ? nineCharacters(given) : given);
  const messages: TemplateMessage[] = [];
  if (tools.length > 0 && !abilities.tools) messages.push({ role: "system", content: describeTools(tools) });
  for (const turn of turns) {
    switch (turn.role) {
      case "assistant": {
        for (const call of turn.toolCalls) names.set(call.id, call.name);
        const thinking = turn.thinking === undefined ? {} : { reasoning_content: turn.thinking };
        if (turn.toolCalls.length === 0 || abilities.calls === null) {
          const calls = turn.toolCalls.map(callInWords);
          messages.push({
            role: "assistant",
            content: [turn.text, ...calls].filter((part) => part !== "").join("\n"),
            ...thinking,
          });
          break;
        }
        const asText = abilities.calls === "text";
        const calls = turn.toolCalls.map((call) => ({
          id: id(call.id),
          type: "function",
          function: { name: call.name, arguments: asText ? call.arguments : parsedArguments(call.arguments) },
        }));
        messages.push({ role: "assistant", content: turn.text, ...thinking, tool_calls: calls });
        break;
      }
      case "tool":
        messages.push(
          abilities.calls === null
            ? { role: "user", content: `<tool_response>\n${turn.text}\n</tool_response>` }
            : {
                role: "tool",
                content: turn.text,
                tool_call_id: id(turn.callId),
                name: names.get(turn.callId) ?? "",
              },
        );
        break;
      default:
        messages.push({ role: turn.role, content: turn.text });
    }
  }
  return messages;
}

/**
 * The messages in forms that ever more templates take: as they are; neighbours of one role joined; all system text in
 * front; system text in the first user message.
 */
export function* formsOf(messages: readonly TemplateMessage[], system: boolean): Generator<TemplateMessage[]> {
  if (system) {
    yield [...messages];
    yield joined(messages);
    yield joined(messages.toSorted((a, b) => Number(b.role === "system") - Number(a.role === "system")));
  }
  const said = messages.filter(({ role }) => role === "system").map(({ content }) => content);
  const others = messages.filter(({ role }) => role !== "system");
  if (said.length > 0) others.unshift({ role: "user", content: said.join("\n\n") });
  yield joined(others);
  if (system) yield separated(messages);
  yield separated(joined(others));
}

/** One call a message, each with its results behind it, for templates that know no other way. */
export function separated(messages: readonly TemplateMessage[]): TemplateMessage[] {
  return messages.flatMap((message, at) => {
    const calls = message["tool_calls"];
    const isResult = message.role === "tool";
    if (isResult && ownerOf(messages, at) !== null) return [];
    if (!Array.isArray(calls) || calls.length < 2) return [message, ...resultsFor(messages, at, null)];
    return calls.flatMap((call, index) => {
      const { reasoning_content: _, ...bare } = message;
      const one = index === 0 ? message : { ...bare, content: "" };
      const id = (call as JsonObject)["id"] ?? null;
      return [{ ...one, tool_calls: [call] }, ...resultsFor(messages, at, id)];
    });
  });
}

/** The place of the message whose calls the result at `at` answers. */
function ownerOf(messages: readonly TemplateMessage[], at: number): number | null {
  const owner = messages.slice(0, at).findLastIndex((message) => message.role !== "tool");
  return owner >= 0 && Array.isArray(messages[owner]?.["tool_calls"]) ? owner : null;
}

/** The results that answer the message at `owner`: of one call, or of all. */
function resultsFor(messages: readonly TemplateMessage[], owner: number, id: JsonValue): TemplateMessage[] {
  if (messages[owner]?.role === "tool") return [];
  return messages.filter(
    (message, at) =>
      message.role === "tool" && ownerOf(messages, at) === owner && (id === null || message["tool_call_id"] === id),
  );
}

function joined(messages: readonly TemplateMessage[]): TemplateMessage[] {
  const all: TemplateMessage[] = [];
  for (const message of messages) {
    const last = all.at(-1);
    const plain =
      last?.role === message.role && last["tool_calls"] === undefined && message["tool_calls"] === undefined;
    if (last === undefined || !plain || message.role === "tool") all.push({ ...message });
    else last.content = [last.content, message.content].filter((part) => part !== "").join("\n\n");
  }
  return all;
}

/** In the words that most models were trained on, for those whose template has none. */
function describeTools(tools: readonly ChatTool[]): string {
  return [
    "You may call functions to help with the user's request. Their signatures are within <tools></tools>:",
    "<tools>",
    ...tools.map(({ declaration }) => JSON.stringify(declaration)),
    "</tools>",
    "For each call, write a JSON object with the function's name and its arguments within <tool_call></tool_call>:",
    "<tool_call>",
    '{"name": <function-name>, "arguments": <arguments-object>}',
    "</tool_call>",
  ].join("\n");
}

function callInWords(call: { readonly name: string; readonly arguments: string }): string {
  return `<tool_call>\n{"name": ${JSON.stringify(call.name)}, "arguments": ${call.arguments || "{}"}}\n</tool_call>`;
}

/** Models were trained on objects; text that is not JSON goes in as it is. */
function parsedArguments(json: string): JsonValue {
  if (json === "") return {};
  try {
    return JSON.parse(json) as JsonValue;
  } catch {
    return json;
  }
}

/** Some templates take ids of nine letters and digits and no others. The same id gives the same again. */
function nineCharacters(id: string): string {
  if (/^[a-zA-Z0-9]{9}$/.test(id)) return id;
  return BigInt.asUintN(46, Bun.hash(id)).toString(36).padStart(9, "0").slice(0, 9);
}
