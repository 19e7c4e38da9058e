/**
 * How a model writes that it calls a tool.
 * - `hermes`: `<tool_call>{"name": …, "arguments": …}</tool_call>` (Qwen, Hermes, many others)
 * - `xml`: `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>` (Qwen coder)
 * - `function`: `<function=name>{…}</function>` (Llama 3.1 with tools of one's own)
 * - `mistral`: `[TOOL_CALLS][{"name": …, "arguments": …}]`; `mistral-args`: `[TOOL_CALLS]name[ARGS]{…}`
 * - `harmony`: messages in channels (gpt-oss), see `harmony.ts`
 * - `llama`: `{"name": …, "parameters": …}` as the whole answer, `<|python_tag|>` before it or not
 */
export type ToolSyntax = "hermes" | "xml" | "function" | "mistral" | "mistral-args" | "llama" | "harmony";

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
