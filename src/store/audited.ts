import type { Clock } from "../core/clock.ts";
import { newId } from "../core/id.ts";
import { err, ok, type Result } from "../core/result.ts";
import { insertAudit } from "./audit.ts";
import type { Store, Tx } from "./store.ts";

/** What a mutation did. `before` is null for a creation, `after` for a removal. */
export interface Change<T> {
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly value: T;
  /** True when there was nothing to do: no entry is written. */
  readonly unchanged?: boolean;
}

class Refused<E> extends Error {
  readonly failure: E;
  constructor(failure: E) {
    super("refused");
    this.failure = failure;
  }
}

/**
 * The one way to mutate on someone's behalf: runs `change` and writes its audit entry in the same transaction, so that
 * neither exists without the other. An error result rolls everything back.
 */
export async function audited<T, E>(
  store: Store,
  by: { readonly actor: string; readonly action: string },
  change: (tx: Tx) => Promise<Result<Change<T>, E>>,
): Promise<Result<T, E>> {
  try {
    const value = await store.write(async (tx) => {
      const result = await change(tx);
      if (!result.ok) throw new Refused(result.error);
      if (result.value.unchanged !== true) await auditWith(tx, store.clock, by, result.value);
      return result.value.value;
    });
    return ok(value);
  } catch (cause) {
    if (cause instanceof Refused) return err(cause.failure as E);
    throw cause;
  }
}

/** For a change that is part of another one's transaction: its own entry there. */
export async function auditWith(
  tx: Tx,
  clock: Clock,
  by: { readonly actor: string; readonly action: string },
  { target, before, after }: Pick<Change<unknown>, "target" | "before" | "after">,
): Promise<void> {
  const at = clock.now();
  await insertAudit(tx, { id: nextId(at), at, ...by, target, before: redact(before), after: redact(after) });
}

let count = 0;

/** Sorts by time, then by order in this process: several changes within one millisecond keep their order. */
function nextId(at: number): string {
  count = (count + 1) % 36 ** 4;
  const time = at.toString(36).padStart(9, "0");
  return newId(`aud_${time}${count.toString(36).padStart(4, "0")}`, 6);
}

const SECRET_NAMES = /^(hash|secret|token|password|authorization)$/i;
const SECRET_VALUES = /sk-[A-Za-z0-9_-]{16,}/g;

/** The last guard: callers pass values without secrets, and one forgotten field must not end up in a log for ever. */
function redact(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll(SECRET_VALUES, "sk-…");
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !SECRET_NAMES.test(name))
      .map(([name, inner]) => [name, redact(inner)]),
  );
}
