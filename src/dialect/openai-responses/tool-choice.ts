import type { JsonObject, Tool, ToolChoice } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { OpenaiResponsesRequest } from "../../wire/openai-responses.ts";
import type { BroughtTool } from "./brought-tools.ts";
import { readTools, type ReadTools } from "./tools.ts";

type WireChoice = NonNullable<OpenaiResponsesRequest["tool_choice"]>;
type Allowed = Extract<WireChoice, { type: "allowed_tools" }>;

export interface ChosenTools {
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice;
}

/** `allowed_tools` leaves only those; a choice among tools that all were dropped is no choice, unless it is a must. */
export function parseTools(
  wire: readonly unknown[],
  choice: WireChoice | null | undefined,
  brought: readonly BroughtTool[],
): Result<ChosenTools, Failure> {
  const read = readTools(wire, brought);
  if (!read.ok) return read;
  const asked = choice ? parseChoice(choice, read.value) : null;
  const { tools, toolChoice } = asked ?? { tools: read.value.tools, toolChoice: undefined };
  if (toolChoice === null) return err(hosted(typeof choice === "object" ? (choice?.type ?? "") : ""));
  const none = tools.length === 0 && wire.length > 0;
  if (none && toolChoice?.kind === "required") return err(hosted("required"));
  return ok({ tools, ...(toolChoice === undefined || none ? {} : { toolChoice }) });
}

/** `toolChoice` null: the choice is a tool that runs at a vendor. */
function parseChoice(
  choice: WireChoice,
  read: ReadTools,
): { readonly tools: readonly Tool[]; readonly toolChoice: ToolChoice | null } {
  const { tools } = read;
  if (typeof choice === "string") return { tools, toolChoice: { kind: choice } };
  if (isAllowed(choice)) {
    const allowed = tools.filter((tool) => choice.tools.some(({ name }) => name && isNamed(read, tool.name, name)));
    return { tools: allowed, toolChoice: { kind: choice.mode } };
  }
  const { type, name } = choice;
  if ((type !== "function" && type !== "custom") || !name) return { tools, toolChoice: null };
  const tool = tools.find((one) => one.name === name) ?? tools.find((one) => isNamed(read, one.name, name));
  return { tools, toolChoice: { kind: "tool", name: tool?.name ?? name } };
}

function isAllowed(choice: Exclude<WireChoice, string>): choice is Allowed {
  return choice.type === "allowed_tools";
}

/** By the flat name, by the name inside of its namespace, or by the namespace. */
function isNamed(read: ReadTools, flat: string, name: string): boolean {
  const client = read.names.get(flat);
  return flat === name || client?.name === name || client?.namespace === name;
}

function hosted(choice: string): Failure {
  return {
    kind: "unsupported",
    capability: "tool_choice",
    endpoint: false,
    message: `tool_choice: ${JSON.stringify(choice.slice(0, 64))} needs a tool that can be called here; only function, custom and namespace tools can.`,
  };
}

export function toTool(tool: Tool): JsonObject {
  return {
    type: "function",
    name: tool.name,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    parameters: tool.parameters,
    // Absent, it means true to the vendor, which then refuses most schemas.
    strict: tool.strict ?? false,
  };
}
