import type { ToolSyntax } from "../../core/replica.ts";

/** By the template's text; null: it shows no way of calling that is known here. */
export function toolSyntaxOf(template: string): ToolSyntax | null {
  if (template.includes("<|channel|>") && template.includes("<|message|>")) return "harmony";
  if (template.includes("[TOOL_CALLS]")) return template.includes("[ARGS]") ? "mistral-args" : "mistral";
  if (template.includes("<function=")) return template.includes("<parameter=") ? "xml" : "function";
  // `<arg_key>` is yet another way to fill the same tag.
  if (template.includes("<tool_call>")) return template.includes("<arg_key>") ? null : "hermes";
  if (template.includes("<|python_tag|>") || /["']parameters\\?["']\s*:/.test(template)) return "llama";
  return null;
}

/** What opens a call anywhere in an answer. */
export const OPENERS: Readonly<Record<ToolSyntax, readonly string[]>> = {
  hermes: ["<tool_call>"],
  xml: ["<tool_call>", "<function="],
  function: ["<function="],
  mistral: ["[TOOL_CALLS]"],
  "mistral-args": ["[TOOL_CALLS]"],
  llama: ["<|python_tag|>"],
  harmony: [],
};

/** Marks that a vocabulary may have as control tokens, which are text for us. */
export const TOOL_MARKS = ["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>"];

/** Those whose marks no other text has: `llama` is plain JSON, and `harmony` never reaches us as text. */
const UNAMBIGUOUS: readonly ToolSyntax[] = ["hermes", "xml", "function", "mistral", "mistral-args"];

/** By the template's text: how calls can be found in answers; undefined where one could be mistaken for text. */
export function unambiguousSyntaxOf(template: string | null | undefined): ToolSyntax | undefined {
  const syntax = template ? toolSyntaxOf(template) : null;
  return syntax !== null && UNAMBIGUOUS.includes(syntax) ? syntax : undefined;
}
