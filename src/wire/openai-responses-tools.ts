import { z } from "zod";
import { later } from "./later.ts";
import type { JsonObject } from "../core/chat-request.ts";
import { isJsonObject } from "./parse-body.ts";

const jsonObject = z.custom<JsonObject>(isJsonObject, "expected an object");

/** A tool of any type: what there is beside functions changes monthly, and must not break a client. */
export const responsesTool = later(() => z.looseObject({ type: z.string() }));
const functionTool = later(() =>
  z.looseObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    parameters: jsonObject.nullish(),
    strict: z.boolean().nullish(),
  }),
);
/** The chat API's nesting is accepted too: some clients keep it when they change the path. */
export const responsesFunctionTool = later(() =>
  z.union([functionTool(), z.looseObject({ function: functionTool() })]),
);
export const responsesCustomTool = later(() =>
  z.looseObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    format: z
      .looseObject({ type: z.string(), syntax: z.string().nullish(), definition: z.string().nullish() })
      .nullish(),
  }),
);
export const responsesNamespaceTool = later(() =>
  z.looseObject({ name: z.string().min(1), tools: z.array(responsesTool()) }),
);

/** A search for tools that the client itself does; the server's own has no schema. */
export const responsesToolSearch = later(() =>
  z.looseObject({
    execution: z.literal("client"),
    description: z.string().nullish(),
    parameters: jsonObject.nullish(),
  }),
);
