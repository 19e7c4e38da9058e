import { z } from "zod";
import type { JsonObject } from "../../core/chat-request.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { type EngineError, invalidRequest } from "./engine-error.ts";

const MAX_TOP_LOGPROBS = 20;

const jsonSchema = z.custom<JsonObject>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "expected an object",
);

export const outputFields = {
  response_format: z
    .discriminatedUnion("type", [
      z.looseObject({ type: z.literal("text") }),
      z.looseObject({ type: z.literal("json_object"), schema: jsonSchema.nullish() }),
      z.looseObject({
        type: z.literal("json_schema"),
        json_schema: z.looseObject({ name: z.string().nullish(), schema: jsonSchema.nullish() }),
      }),
    ])
    .nullish(),
  /** llama-server's own: a schema beside the OpenAI way, and a grammar. */
  json_schema: jsonSchema.nullish(),
  grammar: z.string().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
};
const schema = z.looseObject(outputFields);

export interface ParsedOutput {
  readonly schema: JsonObject | null;
  readonly grammar: string | null;
  readonly logprobs: number | null;
}

export function parseOutput(call: z.infer<typeof schema>): Result<ParsedOutput, EngineError> {
  const wanted = call.json_schema ?? schemaOf(call.response_format);
  const grammar = call.grammar || null;
  if (wanted !== null && grammar !== null) {
    return err(invalidRequest("either a JSON schema or a 'grammar' can be given, not both", "grammar"));
  }
  if (typeof call.top_logprobs === "number" && call.top_logprobs > 0 && !call.logprobs) {
    return err(invalidRequest("'top_logprobs' needs 'logprobs': true", "top_logprobs"));
  }
  return ok({ schema: wanted, grammar, logprobs: call.logprobs ? (call.top_logprobs ?? 0) : null });
}

function schemaOf(format: z.infer<typeof schema>["response_format"]): JsonObject | null {
  switch (format?.type) {
    case "json_object":
      return format.schema ?? { type: "object" };
    case "json_schema":
      return format.json_schema.schema ?? {};
    default:
      return null;
  }
}
