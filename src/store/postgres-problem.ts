import { describeAddress, serverOf } from "./address.ts";
import { WrongEncodingError } from "./connect-postgres.ts";
import { codeOf, sqlStateOf } from "../core/error-code.ts";
import { shellQuote } from "../core/shell-quote.ts";
import type { PostgresAddress, StoreProblem } from "./store.ts";

type Explain = (address: PostgresAddress, text: string) => StoreProblem;

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const BY_STATE: Readonly<Record<string, Explain>> = {
  "3D000": (address) => ({
    kind: "no_database",
    message: `there is no ${describeAddress(address)}`,
    mend: `${createDatabase(address)} && flock up`,
  }),
  "28P01": wrongPassword,
  "28000": (address, text) => ({
    kind: "access_denied",
    message: `${serverOf(address)} does not let user ${address.user} in (${text})`,
    mend: `sudo -u postgres createuser --pwprompt ${shellQuote(address.user)}   # or a line for it in pg_hba.conf`,
  }),
  "42501": (address, text) => ({
    kind: "access_denied",
    message: `user ${address.user} may not do this in ${describeAddress(address)} (${text})`,
    mend: `sudo -u postgres psql -c ${shellQuote(`alter database "${address.database}" owner to "${address.user}"`)}`,
  }),
  "25006": (address) => ({
    kind: "unwritable",
    message: `${describeAddress(address)} is read-only: a standby, or set so`,
    mend: `${psql(address)} -c 'select pg_is_in_recovery()'   # t: storage.dsn must name the primary`,
  }),
  "53100": (address) => ({
    kind: "disk_full",
    message: `no space left on the disk of ${describeAddress(address)}`,
    mend: "df -h   # on the database's machine",
  }),
  "53300": (address) => ({
    kind: "unreachable",
    message: `${serverOf(address)} has no connection left`,
    mend: `${psql(address)} -c 'show max_connections'`,
  }),
  "55P03": locked,
  "40P01": locked,
  "57P01": unreachable,
  "57P02": unreachable,
  "57P03": unreachable,
  "57014": (address) => ({
    kind: "unreachable",
    message: `${describeAddress(address)} is too slow: a statement was ended after its time`,
    mend: `${psql(address)} -c 'select pid, state, query from pg_stat_activity'`,
  }),
};

/** What a PostgreSQL server or the way to it has thrown. The driver's texts never hold the password. */
export function postgresProblem(cause: unknown, address: PostgresAddress): StoreProblem {
  const text = cause instanceof Error ? cause.message.replaceAll(/\s+/g, " ") : String(cause);
  const state = sqlStateOf(cause);
  const known = BY_STATE[state];
  if (known !== undefined) return known(address, text);
  if (state.startsWith("08")) return unreachable(address);
  if (cause instanceof WrongEncodingError) {
    return {
      kind: "failed",
      message: `${describeAddress(address)} has the encoding ${cause.encoding}; Flock needs UTF8`,
      mend: `${createDatabase({ ...address, database: `${address.database}_utf8` })}   # and name it in storage.dsn`,
    };
  }
  const code = codeOf(cause);
  if (code === "ERR_POSTGRES_TLS_NOT_AVAILABLE" || code.startsWith("ERR_POSTGRES_CHANNEL_BINDING")) {
    return {
      kind: "access_denied",
      message: `${serverOf(address)} does not offer what storage.dsn asks for (${text})`,
      mend: `${psql(address)} -c 'show ssl'   # off: turn it on there, or write sslmode=prefer in storage.dsn`,
    };
  }
  if (/^ERR_POSTGRES_(CONNECTION|IDLE|LIFETIME)/.test(code)) return unreachable(address);
  if (/PASSWORD|AUTHENTICATION|SASL|SCRAM/.test(code)) return wrongPassword(address);
  return {
    kind: "failed",
    message: `${describeAddress(address)} failed: ${text}`,
    mend: `${psql(address)} -c 'select version()'`,
  };
}

function unreachable(address: PostgresAddress): StoreProblem {
  return {
    kind: "unreachable",
    message: `PostgreSQL does not answer at ${serverOf(address)}`,
    mend: `pg_isready ${hostAndPort(address)}   # start it (sudo systemctl start postgresql), then: flock up`,
  };
}

function wrongPassword(address: PostgresAddress): StoreProblem {
  return {
    kind: "access_denied",
    message: `PostgreSQL at ${serverOf(address)} refuses the password of user ${address.user}`,
    mend: `sudo -u postgres psql -c ${shellQuote(`\\password ${address.user}`)}   # and the same one in FLOCK_STORAGE_DSN`,
  };
}

function locked(address: PostgresAddress): StoreProblem {
  return {
    kind: "locked",
    message: `another process keeps ${describeAddress(address)} locked`,
    mend: `${psql(address)} -c 'select pid, application_name, state, query from pg_stat_activity'`,
  };
}

/** Run by the operator, who is asked for the password. */
export function dumpCommand(address: PostgresAddress, file: string): string {
  return `pg_dump ${hostAndPort(address)} -U ${shellQuote(address.user)} -Fc -f ${shellQuote(file)} ${shellQuote(address.database)}`;
}

function createDatabase(address: PostgresAddress): string {
  const { user, database } = address;
  return `createdb ${hostAndPort(address)} -U ${shellQuote(user)} -E UTF8 -T template0 ${shellQuote(database)}`;
}

function psql(address: PostgresAddress): string {
  return `psql ${hostAndPort(address)} -U ${shellQuote(address.user)} ${shellQuote(address.database)}`;
}

function hostAndPort({ host, port }: PostgresAddress): string {
  return `-h ${shellQuote(host)} -p ${port}`;
}
