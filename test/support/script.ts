/** What an engine that stands in for a real one says to a request, and how it fails. */
export interface Script {
  readonly text?: string;
  readonly thinking?: string;
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: string }[];
  readonly finish?: "stop" | "length" | "tool_calls";
  /** Before the status line goes out. */
  readonly headerDelayMs?: number;
  /** Between the role delta and the first content. */
  readonly firstTokenDelayMs?: number;
  /** Between two pieces of content. */
  readonly tokenDelayMs?: number;
  /** The last piece of a streamed chat waits for this. */
  readonly until?: Promise<void>;
  readonly usage?: { readonly prompt: number; readonly completion: number; readonly cached?: number };
  /** The name of another model than the one that it lists. */
  readonly answersAs?: string;
  /** An answer with this status and body instead. */
  readonly status?: number;
  readonly body?: string;
  /**
   * After `faultAfter` pieces of content: `cut` closes the socket, `half-frame` does it inside a frame, `no-done` ends
   * without finish reason, `not-json` sends garbage, `silent` sends nothing more, `error` sends an error frame.
   */
  readonly fault?: "cut" | "half-frame" | "no-done" | "not-json" | "silent" | "error";
  readonly faultAfter?: number;
}

interface Piece {
  readonly delta: Record<string, unknown>;
}

export function words(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

/** Text in pieces of about a word, as a tokenizer gives them. */
export function pieces(script: Script): Piece[] {
  const out: Piece[] = [];
  for (const word of words(script.thinking ?? "")) out.push({ delta: { reasoning_content: word } });
  for (const word of words(script.text ?? "")) out.push({ delta: { content: word } });
  for (const [index, call] of (script.toolCalls ?? []).entries()) {
    const { name } = call;
    const head = { index, id: `call_${index}`, type: "function", function: { name, arguments: "" } };
    out.push({ delta: { tool_calls: [head] } });
    for (const part of call.arguments.match(/[\s\S]{1,5}/g) ?? []) {
      out.push({ delta: { tool_calls: [{ index, function: { arguments: part } }] } });
    }
  }
  return out;
}

export function usageOf(script: Script) {
  const prompt_tokens = script.usage?.prompt ?? 10;
  const completion_tokens = script.usage?.completion ?? pieces(script).length;
  const prompt_tokens_details = { cached_tokens: script.usage?.cached ?? 0 };
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens, prompt_tokens_details };
}

export function finishOf(script: Script): string {
  return script.finish ?? (script.toolCalls ? "tool_calls" : "stop");
}
