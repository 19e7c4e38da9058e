import type { Script } from "../support/script.ts";

type Json = Record<string, unknown>;
type Tool = { readonly function: { readonly name: string; readonly parameters?: Json } };

/** What clients call the tool that reads a file, or runs a command that does. */
const READERS = /^(read|read_?files?|view|exec_command|shell|bash|run_commands?|execute_command)$/i;

/**
 * Plays a model that reads the file named in the prompt: the first turn calls the client's own tool for it, the turn with the result says what
 * stands in it. `leaks`: its call comes as text, as some models and engines have it. Requests without such a tool (a title, a summary) get a few words.
 */
export function readingScript(file: RegExp, secret: RegExp, leaks: boolean): (body: Json) => Script {
  return (body) => {
    const messages = body.messages as { role: string; content: unknown }[];
    const lastUser = messages.findLastIndex(({ role }) => role === "user");
    const result = messages.findLast(({ role }) => role === "tool");
    const found = result && JSON.stringify(result.content).match(secret)?.[0];
    if (found) return { text: `The file says: ${found}.` };
    if (result && messages.indexOf(result) > lastUser) return { text: "The file could not be read." };
    const tools = (body.tools ?? []) as Tool[];
    const reader = tools.find((tool) => READERS.test(tool.function.name));
    if (!reader) return { text: "Reading a file" };
    const path = JSON.stringify(messages).match(file)?.[0] ?? "unknown";
    const call = { name: reader.function.name, arguments: callFor(reader, path) };
    if (leaks) return { text: `Let me look.\n<tool_call>\n${JSON.stringify(call)}\n</tool_call>` };
    return { text: "Let me look.", toolCalls: [{ ...call, arguments: JSON.stringify(call.arguments) }] };
  };
}

/** Fills in what the tool's schema asks for: paths and commands are the file's, anything else is small and valid. */
function callFor({ function: { parameters = {} } }: Tool, file: string): Json {
  const properties = (parameters.properties ?? {}) as Record<string, Json>;
  const required = (parameters.required ?? Object.keys(properties)) as string[];
  return Object.fromEntries(required.map((name) => [name, valueFor(name, properties[name] ?? {}, file)]));
}

function valueFor(name: string, schema: Json, file: string): unknown {
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (Array.isArray(schema.anyOf)) return valueFor(name, schema.anyOf[0] as Json, file);
  switch (schema.type) {
    case "array":
      return [valueFor(name, (schema.items ?? {}) as Json, file)];
    case "object":
      return callFor({ function: { name, parameters: schema } }, file);
    case "boolean":
      return false;
    case "number":
    case "integer":
      return typeof schema.minimum === "number" ? schema.minimum : 1;
    default:
      if (/cmd|command/i.test(name)) return `cat ${file}`;
      return /path|file/i.test(name) ? file : "read a file";
  }
}
