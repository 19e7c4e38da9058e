import { userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { err, ok, type Result } from "../core/result.ts";
import type { PostgresAddress, StoreAddress, StoreProblem } from "./store.ts";

const DEFAULT_PORT = 5432;
const EXAMPLE = "FLOCK_STORAGE_TYPE=postgres FLOCK_STORAGE_DSN='postgres://user:password@host:5432/flock' flock up";

/**
 * Where the database of a DSN is: a path (relative: to the data directory), `sqlite:<path>`, "" for `state.db`, or
 * `postgres://…` as libpq has it. Problems never repeat the DSN: it may hold a password.
 */
export function storeAddress(dsn: string, dataDir: string): Result<StoreAddress, StoreProblem> {
  const scheme = /^([a-z][a-z0-9+]*):/i.exec(dsn)?.[1]?.toLowerCase();
  if (scheme === "postgres" || scheme === "postgresql") return postgresAddress(dsn);
  if (scheme !== undefined && scheme !== "sqlite" && scheme !== "file") {
    return err({
      kind: "unsupported_dsn",
      message: `storage.dsn names ${scheme}; Flock keeps its data in SQLite or PostgreSQL`,
      mend: "flock config edit   # storage.dsn: a file path or a postgres:// URL, or leave it out",
    });
  }
  const path = dsn.replace(/^(sqlite|file):(\/\/)?/i, "") || "state.db";
  return ok({ kind: "sqlite", path: isAbsolute(path) ? path : join(dataDir, path) });
}

/** For messages: no user, no password. */
export function describeAddress(address: StoreAddress): string {
  if (address.kind === "sqlite") return address.path;
  return `PostgreSQL database ${address.database} at ${serverOf(address)}`;
}

export function serverOf({ host, port }: PostgresAddress): string {
  if (host.startsWith("/")) return `${host} (port ${port})`;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

// By hand: a URL parser refuses `postgres://user@/db?host=/run/postgresql`, and a password with a raw `@` or `#`.
const POSTGRES_URL = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/is;
const HOST_AND_PORT = /^(?:\[([^\]]+)\]|([^:,[\]]*))(?::(\d+))?$/;

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
const BINDINGS = ["disable", "prefer", "require"] as const;
const PARAMETERS = [
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "sslmode",
  "sslrootcert",
  "channel_binding",
  "options",
];

function postgresAddress(dsn: string): Result<PostgresAddress, StoreProblem> {
  const parts = POSTGRES_URL.exec(dsn.trim());
  if (parts === null) return refuse("it is not of the form postgres://user:password@host:port/database");
  const [, userInfoPart = "", authority = "", path = "", query = ""] = parts;
  const place = HOST_AND_PORT.exec(authority);
  if (place === null) return refuse("host and port are not readable; one host, and %2F for a / in a password");
  const given = parametersOf(query);
  if (given === null) return refuse("a parameter has a broken % code");
  const unknown = [...given.keys()].find((name) => !PARAMETERS.includes(name));
  // The name might be the tail of a password with a `?` in it: only a plain word is repeated.
  if (unknown !== undefined) {
    const name = /^[a-z_]{1,32}$/.test(unknown) ? ` ${unknown}` : "";
    return refuse(`the parameter${name} is not known (known: ${PARAMETERS.join(", ")})`);
  }
  const colon = userInfoPart.indexOf(":");
  const user = given.get("user") ?? decode(colon === -1 ? userInfoPart : userInfoPart.slice(0, colon));
  const password = given.get("password") ?? decode(colon === -1 ? "" : userInfoPart.slice(colon + 1));
  const host = given.get("host") ?? decode(place[1] ?? place[2] ?? "");
  const database = given.get("dbname") ?? decode(path);
  if (user === null || password === null || host === null || database === null) {
    return refuse("a % in it is no code; write %25 for a % in a password");
  }
  const port = Number(given.get("port") ?? place[3] ?? DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return refuse("the port is not a number from 1 to 65535");
  const sslMode = SSL_MODES.find((mode) => mode === (given.get("sslmode") ?? "prefer"));
  if (sslMode === undefined) return refuse(`sslmode is none of ${SSL_MODES.join(", ")}`);
  const channelBinding = BINDINGS.find((mode) => mode === (given.get("channel_binding") ?? "disable"));
  if (channelBinding === undefined) return refuse(`channel_binding is none of ${BINDINGS.join(", ")}`);
  const options = optionsOf(given.get("options") ?? "");
  if (options === null) return refuse("options is not of the form -cname=value");
  const name = user === "" ? userInfo().username : user;
  return ok({
    kind: "postgres",
    host: host === "" ? "localhost" : host,
    port,
    user: name,
    password,
    database: database === "" ? name : database,
    sslMode,
    sslRootCert: given.get("sslrootcert") ?? "",
    channelBinding,
    options,
  });
}

function parametersOf(query: string): Map<string, string> | null {
  const found = new Map<string, string>();
  for (const pair of query.split("&").filter((text) => text !== "")) {
    const equals = pair.indexOf("=");
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    const value = decode(equals === -1 ? "" : pair.slice(equals + 1));
    if (name === null || value === null) return null;
    found.set(name, value);
  }
  return found;
}

function optionsOf(text: string): Record<string, string> | null {
  const found: Record<string, string> = {};
  for (const [, rest = ""] of ` ${text.trim()}`.matchAll(/\s+(\S.*?)(?=\s+-c|\s*$)/g)) {
    const pair = /^-c\s*(\w[\w.]*)=(.*)$/.exec(rest);
    if (pair === null) return null;
    found[pair[1] ?? ""] = pair[2] ?? "";
  }
  return found;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function refuse(why: string): Result<never, StoreProblem> {
  return err({ kind: "unsupported_dsn", message: `storage.dsn cannot be used: ${why}`, mend: EXAMPLE });
}
