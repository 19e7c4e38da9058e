import type { Sql } from "./store.ts";

export interface GuardedSql {
  /** A handle that outlives its connections. Each statement that is awaited on it ends in time, one way or the other. */
  readonly sql: Sql;
  /** Runs `work` on the connections of now; when it takes longer than `ms` they are given up, which ends it. 0: no limit. */
  within<T>(ms: number, work: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** What is still asked of the server at the end gets this long. */
const CLOSE_SECONDS = 5;

/**
 * Watches over a pool of connections to a server. The server's own limits end what is slow; a server or a network that
 * has gone silent answers nothing at all, and the driver would wait for ever. Then the pool is thrown away, which
 * rejects all that waits on it, and the next statement opens a new one.
 */
export function guarded(open: () => Sql, silentMs: number): GuardedSql {
  let pool = open();
  const giveUp = (silent: Sql): void => {
    if (pool !== silent) return;
    pool = open();
    void silent.close({ timeout: 0 }).catch(() => undefined);
  };
  const within = async <T>(ms: number, work: (sql: Sql) => Promise<T>): Promise<T> => {
    const used = pool;
    const timer = ms === 0 ? null : setTimeout(() => giveUp(used), ms);
    try {
      return await work(used);
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  };
  const watch = (made: unknown): unknown => {
    // Fragments and lists of values are no statements until they are awaited, which most never are.
    if (silentMs === 0 || !(made instanceof Promise)) return made;
    const used = pool;
    const then = made.then.bind(made) as Promise<unknown>["then"];
    return Object.assign(made, {
      // oxlint-disable-next-line unicorn/no-thenable -- a statement runs when it is awaited: that is when its time begins
      then(onValue?: ((value: unknown) => unknown) | null, onError?: ((cause: unknown) => unknown) | null) {
        const timer = setTimeout(() => giveUp(used), silentMs);
        const stop = (): void => clearTimeout(timer);
        return then(
          (value) => {
            stop();
            return onValue ? onValue(value) : value;
          },
          (cause: unknown) => {
            stop();
            if (onError) return onError(cause);
            throw cause;
          },
        );
      },
    });
  };
  const target = (): void => undefined;
  const sql = new Proxy(target, {
    apply: (_target, _self, args: Parameters<Sql>) => watch(pool(...args)),
    get(_target, name) {
      const value: unknown = Reflect.get(pool, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => watch(Reflect.apply(value, pool, args));
    },
  }) as unknown as Sql;
  return { sql, within, close: () => pool.close({ timeout: CLOSE_SECONDS }) };
}
