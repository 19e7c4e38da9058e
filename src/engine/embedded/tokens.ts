import type { LlamaModel, Token } from "node-llama-cpp";
import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import { firstIssue } from "./chat-body.ts";
import { type EngineError, invalidRequest } from "./engine-error.ts";

const text = z.looseObject({
  content: z.string(),
  add_special: z.boolean().nullish(),
  parse_special: z.boolean().nullish(),
  with_pieces: z.boolean().nullish(),
});
const list = z.looseObject({ tokens: z.array(z.int().min(0)) });

/** `POST /tokenize`, as llama-server has it, but that text is not read as control tokens unless that is asked for. */
export function tokenize(input: unknown, model: LlamaModel): Result<object, EngineError> {
  const parsed = text.safeParse(input);
  if (!parsed.success) return err(firstIssue(parsed.error));
  const { content, add_special: special, parse_special: parse, with_pieces: pieces } = parsed.data;
  const tokens = model.tokenize(content, parse ?? false);
  const { bos } = model.tokens;
  if (special && bos !== null && model.tokens.shouldPrependBosToken) tokens.unshift(bos);
  return ok({ tokens: pieces ? tokens.map((id) => ({ id, piece: model.detokenize([id], true) })) : tokens });
}

/** `POST /detokenize`. */
export function detokenize(input: unknown, model: LlamaModel): Result<object, EngineError> {
  const parsed = list.safeParse(input);
  if (!parsed.success) return err(firstIssue(parsed.error));
  const { tokens } = parsed.data;
  const size = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const strange = tokens.find((token) => token >= size);
  if (strange !== undefined) return err(invalidRequest(`'tokens': the model has no token ${strange}`, "tokens"));
  return ok({ content: tokens.length === 0 ? "" : model.detokenize(tokens as Token[], true) });
}
