import { z } from "zod";

/** Most lines of a log that one call gives. */
export const MAX_LOG_LINES = 5_000;

/** Query of `GET /v1/engines/:id/logs`. */
export const logsQuery = z.strictObject({
  lines: z
    .string()
    .regex(/^\d+$/, "lines must be a whole number")
    .transform(Number)
    .pipe(z.number().min(1).max(MAX_LOG_LINES))
    .default(200),
});

/** Answer of `GET /v1/engines/:id/logs`, oldest line first. */
export const logsAnswer = z.strictObject({ lines: z.array(z.string()) });

/** Body of `POST /v1/shutdown`. `engines: false` leaves them running for the next agent to take over. */
export const shutdownBody = z.strictObject({ engines: z.boolean() });

/** Every error of the agent. `mend` is the command that helps, where one does. */
export const agentError = z.strictObject({
  error: z.strictObject({ message: z.string(), mend: z.string().optional() }),
});
