type Json = Record<string, unknown>;

/** Words of vendors and clients that mean nothing to an engine, or that break one. */
const FOREIGN =
  /"(cache_control|context_management|defer_loading|safeguards|container|client_metadata|encrypted_content|namespace|thread|output_config|input_schema|DeferredToolPlaceholder|web_search)"|x-anthropic-billing-header/;

/** What an engine behind OpenAI's chat dialect must never be sent; [] is a good request. */
export function engineRequestProblems(body: Json, contextTokens: number): string[] {
  const problems: string[] = [];
  const { messages, tools = [], ...others } = body as Json & { messages: Json[]; tools?: Json[] };
  const rest: Json = others;
  const foreign = JSON.stringify({ messages, tools: tools.map(withoutSchema), ...rest }).match(FOREIGN);
  if (foreign) problems.push(`it holds ${foreign[0]}`);

  const names = tools.map((tool) => (tool.function as Json | undefined)?.name);
  if (new Set(names).size !== names.length) problems.push("two tools have one name");
  for (const tool of tools) {
    const { name, parameters } = (tool.function ?? {}) as Json;
    if (tool.type !== "function" || !/^[\w.-]{1,128}$/.test(String(name)))
      problems.push(`no function: ${String(name)}`);
    if ((parameters as Json | undefined)?.type !== "object") problems.push(`${String(name)} has no parameters`);
  }

  let called: unknown[] = [];
  for (const [at, { role, content, tool_calls, tool_call_id }] of messages.entries()) {
    if (!["system", "user", "assistant", "tool"].includes(String(role))) problems.push(`a message of ${String(role)}`);
    if (role === "system" && at > 0) problems.push(`a system message at place ${at}`);
    if (role === "user" && messages[at - 1]?.role === "user") problems.push("two user messages in a row");
    if (typeof content !== "string" && !Array.isArray(content) && tool_calls === undefined) {
      problems.push(`a message of ${String(role)} without content`);
    }
    if (role === "tool" && !called.includes(tool_call_id)) problems.push(`no call has the id ${String(tool_call_id)}`);
    if (role === "assistant") called = ((tool_calls ?? []) as Json[]).map(({ id }) => id);
    else if (role !== "tool") called = [];
  }

  const longest = (rest.max_completion_tokens ?? rest.max_tokens ?? 1) as number;
  if (!(longest < contextTokens)) problems.push(`max_tokens ${longest}`);
  const usage = (rest.stream_options as Json | undefined)?.include_usage;
  if (rest.stream === true && usage !== true) problems.push("usage is not asked for");
  return problems;
}

/** A tool's parameters may well be called `namespace`. */
function withoutSchema({ function: called, ...rest }: Json): Json {
  const { parameters: _, description: __, ...named } = (called ?? {}) as Json;
  return { ...rest, function: named };
}
