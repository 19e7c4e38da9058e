import { z } from "zod";
import type { JsonObject } from "../../core/chat-request.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { ChatTool, ToolChoice } from "./chat-call.ts";
import { type EngineError, invalidRequest, notSupported } from "./engine-error.ts";

const jsonObject = z.custom<JsonObject>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "expected an object",
);

export const toolFields = {
  tools: z
    .array(
      z.looseObject({
        type: z.string(),
        function: z
          .looseObject({
            name: z.string().min(1).max(256),
            description: z.string().nullish(),
            parameters: jsonObject.nullish(),
          })
          .optional(),
      }),
    )
    .nullish(),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
};
const schema = z.looseObject(toolFields);

export interface ParsedTools {
  readonly tools: readonly ChatTool[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
}

export function parseTools(call: z.infer<typeof schema>): Result<ParsedTools, EngineError> {
  const tools: ChatTool[] = [];
  for (const [at, tool] of (call.tools ?? []).entries()) {
    if (tool.type !== "function") return err(notSupported(`tools.${at}.type`, `a tool of type '${tool.type}' is`));
    if (!tool.function) return err(invalidRequest(`'tools.${at}.function' is required`, `tools.${at}.function`));
    tools.push(toTool(tool.function));
  }
  const wanted = call.tool_choice ?? "auto";
  const toolChoice: ToolChoice =
    typeof wanted === "string" ? { kind: wanted } : { kind: "tool", name: wanted.function.name };
  if (toolChoice.kind === "required" && tools.length === 0) {
    return err(invalidRequest("'tool_choice' is required, and there are no 'tools'", "tool_choice"));
  }
  if (toolChoice.kind === "tool" && !tools.some(({ name }) => name === toolChoice.name)) {
    return err(invalidRequest(`'tool_choice': '${toolChoice.name}' is not one of 'tools'`, "tool_choice"));
  }
  return ok({ tools, toolChoice, parallelToolCalls: call.parallel_tool_calls ?? true });
}

function toTool({
  name,
  description,
  parameters: given,
}: {
  name: string;
  description?: string | null | undefined;
  parameters?: JsonObject | null | undefined;
}): ChatTool {
  const parameters = given ?? { type: "object", properties: {} };
  const declaration = { name, ...(description ? { description } : {}), parameters };
  return { name, parameters, declaration: { type: "function", function: declaration } };
}
