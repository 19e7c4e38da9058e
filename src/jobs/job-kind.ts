import { err, ok, type Result } from "../core/result.ts";

/** What a running job has in hand. */
export interface JobContext<Input> {
  readonly input: Input;
  /** What the last `checkpoint` of an earlier attempt saved; null on the first. */
  readonly resumeFrom: unknown;
  /** Cancelled by a person, or Flock is shutting down: stop soon. */
  readonly signal: AbortSignal;
  /** Cheap to call often: at most ten a second are kept. `total` null: not known. */
  readonly progress: (done: number, total: number | null, message: string) => void;
  /** Resolves when `data` (JSON) is in the store. All before it is not done again after a crash. */
  readonly checkpoint: (data: unknown) => Promise<void>;
}

/** A kind of long operation. `run` may be started again after a crash, so it must bear being repeated from a checkpoint. */
export interface JobKind {
  readonly kind: string;
  /** What a wrong input lacks, in one line. */
  check(input: unknown): Result<unknown, string>;
  run(context: JobContext<unknown>): Promise<void>;
}

/** A zod schema fits. */
export interface InputSchema<Input> {
  safeParse(input: unknown):
    | { readonly success: true; readonly data: Input }
    | {
        readonly success: false;
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
        };
      };
}

export function defineJob<Input>(spec: {
  readonly kind: string;
  readonly schema: InputSchema<Input>;
  run(context: JobContext<Input>): Promise<void>;
}): JobKind {
  const parse = (input: unknown): Result<Input, string> => {
    const parsed = spec.schema.safeParse(input);
    if (parsed.success) return ok(parsed.data);
    return err(parsed.error.issues.map((issue) => `${issue.path.join(".") || "input"}: ${issue.message}`).join("; "));
  };
  return {
    kind: spec.kind,
    check: parse,
    async run(context) {
      const input = parse(context.input);
      if (!input.ok) throw new Error(`this version cannot read the job's input (${input.error})`);
      await spec.run({ ...context, input: input.value });
    },
  };
}
