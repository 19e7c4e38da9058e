import type { AnthropicMessage, AnthropicTool, AnthropicToolChange } from "../../wire/anthropic-messages.ts";

/**
 * The tools that may be called at the end of a conversation: those of the request, with what its system messages added
 * and took away on the way. An engine is told of one list of tools only, and only the last one counts for the answer.
 */
export function toolsAtEnd(declared: readonly AnthropicTool[], messages: readonly AnthropicMessage[]): AnthropicTool[] {
  const changes = messages.flatMap(changesOf);
  if (changes.length === 0) return [...declared];
  const tools = [...declared];
  const withdrawn = new Set<string>();
  for (const { type, tool } of changes) {
    const { definition } = tool;
    if (type === "tool_addition" && definition) {
      const known = tools.findIndex(({ name }) => typeof name === "string" && name === definition.name);
      if (known < 0) tools.push(definition);
      else tools[known] = definition;
    }
    const name = tool.name ?? definition?.name;
    if (typeof name !== "string") continue;
    if (type === "tool_addition") withdrawn.delete(name);
    else withdrawn.add(name);
  }
  return tools.filter(({ name }) => typeof name !== "string" || !withdrawn.has(name));
}

function changesOf(message: AnthropicMessage): AnthropicToolChange[] {
  if (message.role !== "system" || typeof message.content === "string") return [];
  return (message.content ?? []).filter((block) => block.type !== "text");
}

/** What the model is told where the change stands; null: it is about a vendor's own tools. */
export function changeText({ type, tool }: AnthropicToolChange): string | null {
  const name = tool.name ?? tool.definition?.name;
  if (typeof name !== "string" || tool.type.startsWith("mcp_")) return null;
  return type === "tool_addition" ? nowCallable(name) : `The tool ${name} can no longer be called.`;
}

export function nowCallable(name: string): string {
  return `The tool ${name} can be called now.`;
}
