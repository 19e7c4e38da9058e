import type { LlamaModel, Token } from "node-llama-cpp";

/** OpenAI's shape for one token. */
export interface TokenLogprob {
  readonly token: string;
  readonly bytes: readonly number[];
  readonly logprob: number;
  readonly top_logprobs: readonly Omit<TokenLogprob, "top_logprobs">[];
}

/** JSON knows no infinity; OpenAI's answer has this for what cannot be. */
const IMPOSSIBLE = -9999;

export function describeToken(
  model: Pick<LlamaModel, "detokenize">,
  token: Token,
  probabilities: ReadonlyMap<Token, number>,
  top: number,
): TokenLogprob {
  const alternatives = [...probabilities.entries().take(top)];
  return {
    ...describe(model, token, probabilities.get(token) ?? 0),
    top_logprobs: alternatives.map(([other, probability]) => describe(model, other, probability)),
  };
}

function describe(
  model: Pick<LlamaModel, "detokenize">,
  token: Token,
  probability: number,
): Omit<TokenLogprob, "top_logprobs"> {
  const text = model.detokenize([token], true);
  return { token: text, bytes: [...Buffer.from(text)], logprob: probability > 0 ? Math.log(probability) : IMPOSSIBLE };
}
