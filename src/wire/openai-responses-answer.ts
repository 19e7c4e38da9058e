import { z } from "zod";
import { later } from "./later.ts";
import { reasoningText } from "./openai-responses-items.ts";
import { tokenCount } from "./sampling-bounds.ts";
import { tokenLogprobs } from "./token-logprobs.ts";

const responsesUsage = later(() =>
  z.looseObject({
    input_tokens: tokenCount().nullish(),
    output_tokens: tokenCount().nullish(),
    input_tokens_details: z.looseObject({ cached_tokens: tokenCount().nullish() }).nullish(),
    output_tokens_details: z.looseObject({ reasoning_tokens: tokenCount().nullish() }).nullish(),
  }),
);
export type ResponsesUsage = z.infer<ReturnType<typeof responsesUsage>>;

/** Something that a model made. Items of vendors' own tools have members that nobody here reads. */
const outputItem = later(() =>
  z.looseObject({
    type: z.string(),
    id: z.string().nullish(),
    content: z
      .array(
        z.looseObject({
          type: z.string().nullish(),
          text: z.string().nullish(),
          refusal: z.string().nullish(),
          logprobs: tokenLogprobs().nullish(),
        }),
      )
      .nullish(),
    summary: z.array(reasoningText()).nullish(),
    encrypted_content: z.string().nullish(),
    call_id: z.string().nullish(),
    name: z.string().nullish(),
    arguments: z.string().nullish(),
    input: z.string().nullish(),
  }),
);
export type ResponsesOutputItem = z.infer<ReturnType<typeof outputItem>>;

/** A whole answer, or the one inside of a stream's first and last events. */
export const openaiResponse = later(() =>
  z.looseObject({
    id: z.string().nullish(),
    model: z.string().nullish(),
    status: z.string().nullish(),
    error: z.unknown().optional(),
    incomplete_details: z.looseObject({ reason: z.string().nullish() }).nullish(),
    output: z.array(outputItem()).nullish(),
    usage: responsesUsage().nullish(),
  }),
);
export type OpenaiResponse = z.infer<ReturnType<typeof openaiResponse>>;

/** Where an event belongs. Some servers leave out the index, some change the id between events of one item. */
const place = later(() => ({ item_id: z.string().nullish(), output_index: z.number().int().nullish() }));
const deltaEvent = later(() =>
  z.looseObject({
    type: z.literal([
      "response.refusal.delta",
      "response.reasoning_text.delta",
      "response.reasoning_summary_text.delta",
      "response.function_call_arguments.delta",
      "response.custom_tool_call_input.delta",
    ]),
    delta: z.string(),
    ...place(),
  }),
);

/** The events of a stream that carry what the others only repeat. */
export const responsesStreamEvent = later(() =>
  z.discriminatedUnion("type", [
    z.looseObject({
      type: z.literal([
        "response.created",
        "response.in_progress",
        "response.completed",
        "response.incomplete",
        "response.failed",
      ]),
      response: openaiResponse(),
    }),
    z.looseObject({
      type: z.literal(["response.output_item.added", "response.output_item.done"]),
      item: outputItem(),
      ...place(),
    }),
    z.looseObject({
      type: z.literal("response.output_text.delta"),
      delta: z.string(),
      logprobs: tokenLogprobs().nullish(),
      ...place(),
    }),
    z.looseObject({
      type: z.literal("response.reasoning_summary_part.added"),
      summary_index: z.number().nullish(),
      ...place(),
    }),
    deltaEvent(),
    z.looseObject({ type: z.literal("error"), message: z.unknown().optional(), error: z.unknown().optional() }),
  ]),
);
export type ResponsesStreamEvent = z.infer<ReturnType<typeof responsesStreamEvent>>;
