import { z } from "zod";

/**
 * Programs that an agent starts for its leader besides engines: what a model that is split over machines needs. Nothing
 * else is ever started, whoever asks.
 */
const NODE_PROGRAMS = ["rpc-server", "llama-server"] as const;
export type NodeProgram = (typeof NODE_PROGRAMS)[number];

/** Where a process listens is the agent's to say: on loopback, so that only the links lead to it. */
const PLACE = /^(-H|-p|--(host|port|api-key|api-key-file|ssl-\w+))(=|$)/;

const id = z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/, "1 to 41 small letters, digits or -");

/** Body of `POST /v1/process/start`. */
export const processStart = z.strictObject({
  id,
  program: z.enum(NODE_PROGRAMS),
  args: z
    .array(z.string().max(4_096))
    .max(64)
    .refine((args) => !args.some((arg) => PLACE.test(arg)), "where it listens is the agent's to say"),
  /** How long it may take to listen. */
  readyTimeoutMs: z.number().int().min(100).max(600_000).default(30_000),
});
export type ProcessStart = z.infer<typeof processStart>;

/** Body of `POST /v1/process/stop`. */
export const processStop = z.strictObject({ id });

/** Query of `GET /v1/process/logs`. */
export const processLogsQuery = z.strictObject({
  id,
  lines: z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(1).max(5_000)).default(200),
});

export const nodeProcess = z.strictObject({
  id: z.string(),
  program: z.enum(NODE_PROGRAMS),
  args: z.array(z.string()),
  pid: z.number().int(),
  /** On loopback of its machine; reached from others by `connect(node, "process/<id>")`. */
  port: z.number().int(),
});
export type NodeProcess = z.infer<typeof nodeProcess>;

/** Answer of `GET /v1/process`. */
export const processesAnswer = z.strictObject({ processes: z.array(nodeProcess) });

/** Answer of `GET /v1/process/logs`, oldest line first. */
export const processLogsAnswer = z.strictObject({ lines: z.array(z.string()) });
