import { z } from "zod";
import { later } from "./later.ts";

const tokenLogprob = later(() => ({ token: z.string(), logprob: z.number(), bytes: z.array(z.number()).nullish() }));

/** Each token of an answer with what could have stood there: one shape in all of OpenAI's APIs. */
export const tokenLogprobs = later(() =>
  z.array(z.looseObject({ ...tokenLogprob(), top_logprobs: z.array(z.looseObject(tokenLogprob())).nullish() })),
);
export type TokenLogprobs = z.infer<ReturnType<typeof tokenLogprobs>>;
