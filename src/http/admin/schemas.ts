import { z } from "@hono/zod-openapi";

/** Pieces that several routes share. Times are epoch milliseconds. */
export const epochMs = z.int().min(0).openapi({ description: "Epoch milliseconds", example: 1_760_000_000_000 });

const errorBody = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      code: z.string(),
      mend: z.string().optional().openapi({ description: "The command that mends it" }),
      field: z.string().optional(),
      capability: z.string().optional(),
    }),
  })
  .openapi("Error");

const errorContent = { "application/json": { schema: errorBody } };

/** What every route may answer besides its success. */
export const errorResponses = {
  "4XX": {
    description: "Refused: `error.message` says why, `error.field` which field, `error.mend` the command that mends it",
    content: errorContent,
  },
  "5XX": {
    description: "Not served yet (501, `error.capability`) or a bug (500, the log has the cause under the id)",
    content: errorContent,
  },
} as const;

export function jsonContent<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** Query values are text; this takes digits only, so that `1e3`, `0x10` and `` are refused rather than read. */
export function limitQuery(defaultLimit: number) {
  return z
    .string()
    .regex(/^[0-9]{1,4}$/, "must be a whole number from 1 to 1000")
    .transform(Number)
    .pipe(z.int().min(1).max(1000))
    .default(defaultLimit)
    .openapi({ type: "integer", minimum: 1, maximum: 1000, default: defaultLimit });
}

export const idParam = (name: string) =>
  z.strictObject({
    id: z
      .string()
      .min(1)
      .max(200)
      .openapi({ param: { name: "id", in: "path" }, description: `Id of the ${name}` }),
  });

export const bearer = [{ bearer: [] as string[] }, { apiKey: [] as string[] }];
