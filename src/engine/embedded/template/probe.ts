import type { JsonObject } from "../../../core/chat-request.ts";
import type { TemplateAbilities } from "./messages.ts";

const TOOL = "probe_tool_name";
const ARGUMENT = "probe_argument";
const VALUE = "probe_value";
const SYSTEM = "probe_system_text";

const USER = { role: "user", content: "hi" };

/** Shows a template one of each and looks whether it comes out. */
export function probeTemplate(render: (values: JsonObject) => string): TemplateAbilities {
  const shows = (needle: RegExp | string, values: JsonObject): boolean => {
    try {
      const text = render(values);
      return typeof needle === "string" ? text.includes(needle) : needle.test(text);
    } catch {
      return false;
    }
  };
  const parameters = { type: "object", properties: { [ARGUMENT]: { type: "string" } }, required: [ARGUMENT] };
  const tool = { type: "function", function: { name: TOOL, description: "a probe", parameters } };
  const call = (given: JsonObject | string) => ({
    messages: [
      USER,
      {
        role: "assistant",
        content: "",
        tool_calls: [{ id: "probe0001", type: "function", function: { name: TOOL, arguments: given } }],
      },
      { role: "tool", content: "done", tool_call_id: "probe0001", name: TOOL },
    ],
    tools: [tool],
  });
  // Escaped quotes around the name mean that text was made of text.
  const written = new RegExp(`(?:^|[^\\\\])"${ARGUMENT}"|[<=']${ARGUMENT}\\b|^\\s*${ARGUMENT}\\b`, "m");
  return {
    tools: shows(TOOL, { messages: [USER], tools: [tool] }),
    calls: shows(written, { ...call({ [ARGUMENT]: VALUE }), tools: null })
      ? "object"
      : shows(written, { ...call(JSON.stringify({ [ARGUMENT]: VALUE })), tools: null })
        ? "text"
        : null,
    system: shows(SYSTEM, { messages: [{ role: "system", content: SYSTEM }, USER], tools: null }),
  };
}
