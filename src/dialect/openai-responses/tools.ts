import type { z } from "zod";
import type { JsonObject, Tool } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import {
  responsesCustomTool,
  responsesFunctionTool,
  responsesNamespaceTool,
  responsesToolSearch,
} from "../../wire/openai-responses-tools.ts";
import { isJsonObject, parseBody } from "../../wire/parse-body.ts";
import type { BroughtTool } from "./brought-tools.ts";

/** What a client calls a tool that the engine knows under one flat name. */
export interface ToolName {
  readonly name: string;
  readonly namespace?: string;
  /** Takes free text: the client gets and gives `custom_tool_call` items. */
  readonly custom: boolean;
  /** Looks for tools at the client: it gets a `tool_search_call`. */
  readonly search?: boolean;
}

export interface ReadTools {
  readonly tools: readonly Tool[];
  /** By the engine's name. */
  readonly names: ReadonlyMap<string, ToolName>;
  /** What of them no engine gets, as paths: `tools.web_search`. */
  readonly dropped: readonly string[];
}

export const NO_TOOLS: ReadTools = { tools: [], names: new Map(), dropped: [] };

/** The engine's name of the client's own search for tools. */
export const TOOL_SEARCH = "tool_search";

/** The engine's name of a tool in a namespace. */
export function flatName(namespace: string | null | undefined, name: string): string {
  return namespace ? `${namespace}__${name}` : name;
}

/**
 * Functions as they are; custom tools as functions of one text; namespaces flattened. All other types run at a vendor
 * and are dropped: refusing them would shut out Codex, which sends `web_search` by default. `brought`: those that came in
 * the conversation; one that is known by then is the same one again.
 */
export function readTools(wire: readonly unknown[], brought: readonly BroughtTool[] = []): Result<ReadTools, Failure> {
  const tools: Tool[] = [];
  const names = new Map<string, ToolName>();
  const dropped: string[] = [];

  function read(one: unknown, path: string, namespace: string | null, again: boolean): Failure | null {
    const type = isJsonObject(one) && typeof one.type === "string" ? one.type : "";
    if (type === "namespace" && namespace === null) return readNamespace(one, path, again);
    if (type === TOOL_SEARCH && namespace === null) {
      readSearch(one);
      return null;
    }
    if (type !== "function" && type !== "custom") {
      dropped.push(`tools.${type || "untyped"}`);
      return null;
    }
    const tool = type === "function" ? parseFunction(one, path) : parseCustom(one, path);
    if (!tool.ok) return tool.error;
    const { name } = tool.value;
    const flat = flatName(namespace, name);
    const known = names.get(flat);
    if (known && (again || namespace !== null) && isSame(known, name, namespace)) return null;
    // Only joining can make one name of two; a name that a client gives twice is for the engine to judge.
    if (known && (known.namespace !== undefined || namespace !== null)) {
      return invalid(`${path}.name`, `"${flat}" would be the name of two tools`);
    }
    names.set(flat, { name, ...(namespace === null ? {} : { namespace }), custom: type === "custom" });
    tools.push({ ...tool.value, name: flat });
    if (type === "custom" && isJsonObject(one) && isJsonObject(one.format) && one.format.type === "grammar") {
      dropped.push(`tools.${flat}.format`);
    }
    return null;
  }

  function readSearch(one: unknown): void {
    const search = responsesToolSearch().safeParse(one);
    if (!search.success) dropped.push(`tools.${TOOL_SEARCH}`);
    if (!search.success || names.has(TOOL_SEARCH)) return;
    const { description, parameters } = search.data;
    names.set(TOOL_SEARCH, { name: TOOL_SEARCH, custom: false, search: true });
    tools.push({
      name: TOOL_SEARCH,
      ...(typeof description === "string" ? { description } : {}),
      parameters: parameters ?? { type: "object", properties: { query: { type: "string" } }, required: ["query"] },
    });
  }

  function readNamespace(one: unknown, path: string, again: boolean): Failure | null {
    const space = parseAt(responsesNamespaceTool(), one, path);
    if (!space.ok) return space.error;
    if (space.value.description) dropped.push(`tools.${space.value.name}.description`);
    for (const [at, child] of space.value.tools.entries()) {
      const failure = read(child, `${path}.tools[${at}]`, space.value.name, again);
      if (failure) return failure;
    }
    return null;
  }

  for (const [at, one] of wire.entries()) {
    const failure = read(one, `tools[${at}]`, null, false);
    if (failure) return err(failure);
  }
  for (const { tool, path } of brought) {
    const failure = read(tool, path, null, true);
    if (failure) return err(failure);
  }
  return ok({ tools, names, dropped });
}

function isSame(known: ToolName, name: string, namespace: string | null): boolean {
  return known.name === name && (known.namespace ?? null) === namespace;
}

function parseFunction(wire: unknown, path: string): Result<Tool, Failure> {
  const parsed = parseAt(responsesFunctionTool(), wire, path);
  if (!parsed.ok) return parsed;
  const tool = responsesFunctionTool().def.options[0].safeParse(parsed.value.function ?? parsed.value);
  if (!tool.success) return err(invalid(`${path}.name`, "this field is missing"));
  const { name, description, parameters, strict } = tool.data;
  return ok({
    name,
    ...(typeof description === "string" ? { description } : {}),
    parameters: parameters ?? { type: "object", properties: {} },
    // False is what every other API means by leaving it out.
    ...(strict ? { strict } : {}),
  });
}

/** No engine enforces a grammar of the client's, but the model can be told of it. */
function parseCustom(wire: unknown, path: string): Result<Tool, Failure> {
  const parsed = parseAt(responsesCustomTool(), wire, path);
  if (!parsed.ok) return parsed;
  const { name, description, format } = parsed.value;
  const grammar = format?.definition
    ? `The input must follow this ${format.syntax ?? "formal"} grammar:\n${format.definition}`
    : null;
  const told = [description, grammar].filter((text) => typeof text === "string" && text !== "").join("\n\n");
  return ok({ name, ...(told === "" ? {} : { description: told }), parameters: TEXT_INPUT });
}

const TEXT_INPUT: JsonObject = {
  type: "object",
  properties: { input: { type: "string", description: "The whole input of the tool, as plain text" } },
  required: ["input"],
  additionalProperties: false,
};

/** How a client calls what the engine called. Small models leave the namespace away: the only tool of that name is meant. */
export function clientName(names: ReadonlyMap<string, ToolName>, called: string): ToolName {
  const exact = names.get(called);
  if (exact) return exact;
  const children = [...names.values()].filter((one) => one.name === called);
  return (children.length === 1 ? children[0] : undefined) ?? { name: called, custom: false };
}

function parseAt<T>(schema: z.ZodType<T>, value: unknown, path: string): Result<T, Failure> {
  const parsed = parseBody(schema, value);
  if (parsed.ok || parsed.error.kind !== "invalid_request") return parsed;
  const { field, message } = parsed.error;
  return field === null
    ? err(invalid(path, message.replace(/^body: /, "")))
    : err({ kind: "invalid_request", field: `${path}.${field}`, message: `${path}.${message}` });
}

function invalid(field: string, problem: string): Failure {
  return { kind: "invalid_request", field, message: `${field}: ${problem}` };
}
