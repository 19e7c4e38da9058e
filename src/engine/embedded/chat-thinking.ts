import { z } from "zod";
import type { JsonObject } from "../../core/chat-request.ts";
import type { ChatThinking } from "./chat-call.ts";

/** -1 is llama-server's word for "no limit". */
const budget = z.int().min(-1).nullish();

export const thinkingFields = {
  reasoning_effort: z.string().nullish(),
  reasoning: z.looseObject({ effort: z.string().nullish() }).nullish(),
  enable_thinking: z.boolean().nullish(),
  chat_template_kwargs: z.record(z.string(), z.json()).nullish(),
  thinking_budget: budget,
  thinking_budget_tokens: budget,
  reasoning_budget: budget,
  /** llama-server's: `none` leaves the thinking in the text. */
  reasoning_format: z.enum(["none", "auto", "deepseek", "deepseek-legacy"]).nullish(),
};
const schema = z.looseObject(thinkingFields);

export function parseThinking(call: z.infer<typeof schema>): ChatThinking {
  const values = (call.chat_template_kwargs ?? {}) as JsonObject;
  const effort = call.reasoning_effort ?? call.reasoning?.effort ?? null;
  const said = values["enable_thinking"] ?? call.enable_thinking ?? null;
  const named = values["thinking_budget"];
  const given =
    call.thinking_budget_tokens ??
    call.thinking_budget ??
    call.reasoning_budget ??
    (typeof named === "number" ? named : -1);
  return {
    enabled: effort === "none" ? false : typeof said === "boolean" ? said : null,
    budgetTokens: given < 0 ? null : given,
    fields: Object.keys(thinkingFields).filter((field) => call[field] !== undefined && call[field] !== null),
    apart: call.reasoning_format !== "none",
    templateValues: { ...values, ...(effort === null || effort === "none" ? {} : { reasoning_effort: effort }) },
  };
}
