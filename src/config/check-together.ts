import { parseListen } from "./listen.ts";
import type { ConfigProblem } from "./problem.ts";
import { holdsPassword } from "./redact-url.ts";
import type { Config } from "./settings.ts";

type Origins = Readonly<Record<string, { readonly source: ConfigProblem["source"]; readonly detail: string }>>;

/** Rules over more than one setting; each names the value that makes them agree. `path` is the file's. */
export function checkTogether(config: Config, origin: Origins, path: string): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report = (key: string, message: string, mend: string): void => {
    const from = origin[key];
    problems.push({ source: from?.source ?? "default", where: from?.detail || path, key, message, mend });
  };
  const address = parseListen(config.listen);
  if (!config.auth.require_keys && address && !address.loopback) {
    const safe = `127.0.0.1:${address.port}`;
    report(
      "auth.require_keys",
      `auth.require_keys is false, but listen "${config.listen}" lets other machines in: anybody could use Flock`,
      `Write listen: "${safe}" (or FLOCK_LISTEN=${safe}), or leave auth.require_keys at true`,
    );
  }
  if ((config.tls.cert === "") !== (config.tls.key === "")) {
    const [given, missing] = config.tls.key === "" ? ["tls.cert", "tls.key"] : ["tls.key", "tls.cert"];
    report(given, `${given} is set without ${missing}`, `Set ${missing} too, or remove ${given}`);
  }
  const { type, dsn } = config.storage;
  const isServer = /^postgres(ql)?:\/\//i.test(dsn);
  if (type === "postgres" && !isServer) {
    report(
      "storage.type",
      "storage.type is postgres, but storage.dsn names no PostgreSQL database",
      "Set FLOCK_STORAGE_DSN=postgres://user:password@host:5432/flock",
    );
  }
  if (type === "sqlite" && isServer) {
    report(
      "storage.dsn",
      "storage.dsn names a PostgreSQL database, but storage.type is sqlite",
      "Set FLOCK_STORAGE_TYPE=postgres (storage.type in the file), or remove storage.dsn",
    );
  }
  if (origin["storage.dsn"]?.source === "flag" && holdsPassword(dsn)) {
    report(
      "storage.dsn",
      "storage.dsn holds a password, and other users of this machine can read a process's arguments",
      "Set FLOCK_STORAGE_DSN in the environment, or storage.dsn in the file, instead",
    );
  }
  return problems;
}
