/** No text that people or agents write has fewer. */
const LEAST_CHARACTERS_PER_TOKEN = 2;
/** How far an estimate of a prompt may be off. */
const DOUBT = 0.1;

export const FITTED = "max_tokens fitted to the context";

/**
 * vLLM refuses a limit on the answer that does not fit beside the prompt, and agents send limits of 32,000 tokens whatever
 * the window is. Null: the limit may stay. Otherwise what it becomes, never more than it was: `lifted` lets the window end
 * the answer, which is sooner than the limit would.
 */
export function fitOutput(
  limit: number | undefined,
  promptCharacters: number,
  estimate: () => number,
  contextTokens: number,
): number | "lifted" | null {
  if (limit === undefined || limit + promptCharacters / LEAST_CHARACTERS_PER_TOKEN <= contextTokens) return null;
  const promptTokens = estimate();
  if (limit >= contextTokens - promptTokens * (1 - DOUBT)) return "lifted";
  const room = contextTokens - Math.ceil(promptTokens * (1 + DOUBT));
  return limit <= room ? null : Math.max(1, room);
}
