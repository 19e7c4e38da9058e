import { z } from "zod";

/** Most lines of a log that one call gives. */
const MAX_LOG_LINES = 5_000;

/** Query of `GET /v1/engines/:id/logs`. */
export const logsQuery = z.strictObject({
  lines: z
    .string()
    .regex(/^\d+$/, "lines must be a whole number")
    .transform(Number)
    .pipe(z.number().min(1).max(MAX_LOG_LINES))
    .default(200),
  /** Where an earlier answer ended: only what came since. */
  after: z
    .string()
    .regex(/^\d+-\d+$/)
    .optional(),
});

/** Answer of `GET /v1/engines/:id/logs`, oldest line first. */
export const logsAnswer = z.strictObject({ lines: z.array(z.string()), next: z.string().nullable() });
export type LogsAnswer = z.infer<typeof logsAnswer>;

/** Body of `POST /v1/engines/:id/check`: what live traffic saw. */
export const checkBody = z.strictObject({
  reason: z.string().max(400),
  /** How often in a row the engine held requests and gave no token; 0: it failed in another way. */
  strikes: z.int().min(0).max(1_000),
});
export type CheckBody = z.infer<typeof checkBody>;

/** Its answer. `progressing`: it did work since the last look; null: it does not tell. */
export const checkAnswer = z.strictObject({ healthy: z.boolean(), progressing: z.boolean().nullable() });
export type CheckAnswer = z.infer<typeof checkAnswer>;

/** Body of `POST /v1/engines/:id/adapters`: `file:<path>` or `hf:<owner>/<repository>` to put on, or a name to take off. */
export const adapterBody = z.union([
  z.strictObject({ add: z.string().min(1).max(4096) }),
  z.strictObject({ remove: z.string().min(1).max(256) }),
]);
export type AdapterBody = z.infer<typeof adapterBody>;

/** Its answer: the id of the adapter's model. */
export const adapterAnswer = z.strictObject({ model: z.string() });

/** Body of `POST /v1/shutdown`. `engines: false` leaves them running for the next agent to take over. */
export const shutdownBody = z.strictObject({ engines: z.boolean() });

/** Body of `POST /v1/models/load`: a model of the models directory by its id, or any file by its whole path. */
export const modelWish = z.union([
  z.strictObject({ id: z.string().min(1).max(256) }),
  z.strictObject({ path: z.string().min(1).max(4096) }),
]);
export type ModelWish = z.infer<typeof modelWish>;

/** Answer of `POST /v1/models/load`. */
export const loadAnswer = z.strictObject({ engine: z.string(), model: z.string() });

/** Body of `POST /v1/models/unload`. */
export const unloadBody = z.strictObject({ id: z.string().min(1).max(256) });

/** A model file of a node. `engine`: which engine serves it; null: none. */
const availableModel = z.strictObject({
  id: z.string(),
  path: z.string(),
  bytes: z.number(),
  engine: z.string().nullable(),
  default: z.boolean(),
});
export type AvailableModel = z.infer<typeof availableModel>;

/** Answer of `GET /v1/models`. */
export const modelsAnswer = z.strictObject({ models: z.array(availableModel) });

/** Answer of `GET /v1/load`: a `MachineLoad`. */
export const machineLoadAnswer = z.strictObject({
  cpu: z.number().nullable(),
  memoryBytes: z.number(),
  freeMemoryBytes: z.number(),
  gpus: z.array(
    z.strictObject({
      name: z.string(),
      busy: z.number().nullable(),
      memoryBytes: z.number().nullable(),
      usedMemoryBytes: z.number().nullable(),
      celsius: z.number().nullable(),
    }),
  ),
});

/** Body of `POST /v1/llama-versions/install`. Null: the newest release; what the machine's GPU asks for; as the release says. */
export const llamaInstallBody = z.strictObject({
  version: z.string().max(60).nullable(),
  variant: z.enum(["cuda", "rocm", "vulkan", "metal", "cpu"]).nullable(),
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, "must be 64 hexadecimal digits")
    .nullable(),
});
export type LlamaInstallBody = z.infer<typeof llamaInstallBody>;

/** Body of `POST /v1/llama-versions/use`: a release's tag, with `-<variant>` where several are there. */
export const llamaUseBody = z.strictObject({ version: z.string().min(1).max(100) });

const llamaVersion = z.strictObject({
  version: z.string(),
  variant: z.string(),
  bytes: z.number(),
  pinned: z.boolean(),
});

/** Answer of `POST /v1/llama-versions/use`. */
export const llamaVersionAnswer = llamaVersion;

/** Answer of `GET /v1/llama-versions`. `last`: how the last install since the agent's start ended; null: none has. */
export const llamaVersionsAnswer = z.strictObject({
  versions: z.array(llamaVersion),
  installing: z.strictObject({ bytes: z.number(), totalBytes: z.number().nullable(), message: z.string() }).nullable(),
  last: z
    .discriminatedUnion("ok", [
      llamaVersion.extend({ ok: z.literal(true) }),
      z.strictObject({ ok: z.literal(false), message: z.string(), mend: z.string() }),
    ])
    .nullable(),
});
export type LlamaVersionsAnswer = z.infer<typeof llamaVersionsAnswer>;
