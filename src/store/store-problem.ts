import { existsSync, statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describeAddress } from "./address.ts";
import { codeOf, filePathOf } from "../core/error-code.ts";
import { copiesOf } from "./kept-copies.ts";
import { postgresProblem } from "./postgres-problem.ts";
import { shellQuote } from "../core/shell-quote.ts";
import type { StoreAddress, StoreProblem } from "./store.ts";

/** Thrown inside the opening of a store, where a driver's error is not the whole story. */
export class StoreProblemError extends Error {
  readonly problem: StoreProblem;
  constructor(problem: StoreProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

const LOW_SPACE_BYTES = 256 * 1024;

/** Turns what the database or the file system threw into one line and the command that mends it. */
export function toStoreProblem(cause: unknown, address: StoreAddress): StoreProblem {
  if (cause instanceof StoreProblemError) return cause.problem;
  if (address.kind === "sqlite") return sqliteProblem(cause, address.path);
  // Beside a server's data there are files too: the journal, the admin key, a certificate.
  const file = filePathOf(cause);
  return file === "" ? postgresProblem(cause, address) : sqliteProblem(cause, file);
}

/** What the database threw while the store was used; null: something else threw. */
export function storeProblemOf(cause: unknown, address: StoreAddress): StoreProblem | null {
  const known = cause instanceof StoreProblemError || /^(SQLITE|ERR_POSTGRES)_/.test(codeOf(cause));
  return known ? toStoreProblem(cause, address) : null;
}

/** As `storeProblemOf`, and what the file system threw. */
export function storeOrFileProblemOf(cause: unknown, address: StoreAddress): StoreProblem | null {
  return /^E[A-Z]+$/.test(codeOf(cause)) ? toStoreProblem(cause, address) : storeProblemOf(cause, address);
}

/** Whether it may go away by itself: the database is away, locked or full, and nothing is wrong with what was asked. */
export function mayPass({ kind }: StoreProblem): boolean {
  return kind === "unreachable" || kind === "locked" || kind === "disk_full" || kind === "access_denied";
}

function sqliteProblem(cause: unknown, path: string): StoreProblem {
  const code = codeOf(cause);
  const text = cause instanceof Error ? cause.message : String(cause);
  // Shared-memory and journal writes on a full disk come back as plain I/O errors, so the disk is asked as well.
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT") return diskFull(path);
  if (code.startsWith("SQLITE_IOERR") && freeBytes(path) < LOW_SPACE_BYTES) return diskFull(path);
  if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) return damaged(path, text);
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return locked(path);
  if (UNWRITABLE.has(code) || code.startsWith("SQLITE_CANTOPEN") || code.startsWith("SQLITE_READONLY")) {
    return unwritable(path, text);
  }
  return { kind: "failed", message: `the store ${path} failed: ${text}`, mend: `df -h ${shellQuote(dirname(path))}` };
}

const UNWRITABLE = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "EEXIST", "ENOENT", "SQLITE_PERM"]);

export function damaged(path: string, what: string): StoreProblem {
  const aside = freeName(join(dirname(path), `damaged-${basename(path)}`));
  // The write-ahead log goes along: left behind it would be applied to the next database of this name.
  const files = [path, `${path}-wal`, `${path}-shm`].filter((file) => existsSync(file)).map(shellQuote);
  const move = `mkdir -p ${shellQuote(aside)} && mv ${files.join(" ")} ${shellQuote(aside)}`;
  const copy = copiesOf(path)[0];
  const restore = copy === undefined ? "" : ` && cp ${shellQuote(copy.path)} ${shellQuote(path)}`;
  return {
    kind: "damaged",
    message: `the store ${path} is damaged (${what}); nothing was changed in it`,
    mend: `${move}${restore} && flock up`,
  };
}

/** A second damage must not overwrite what was moved aside at the first. */
function freeName(path: string): string {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? path : `${path}-${number}`;
    if (!existsSync(name)) return name;
  }
}

export function newerSchema(address: StoreAddress, found: number, known: number): StoreProblem {
  return {
    kind: "newer_schema",
    message: `the store ${describeAddress(address)} was written by a newer Flock (schema ${found}, this one knows ${known})`,
    mend:
      address.kind === "sqlite"
        ? backToCopy(address.path, known)
        : "flock update, or restore your backup with pg_restore",
  };
}

function backToCopy(path: string, known: number): string {
  const copy = copiesOf(path).find((kept) => kept.beforeVersion <= known + 1);
  if (copy === undefined) return "flock update";
  const aside = `mv ${shellQuote(path)} ${shellQuote(`${path}.newer`)}`;
  return `flock update, or go back to the older data: ${aside} && cp ${shellQuote(copy.path)} ${shellQuote(path)}`;
}

function diskFull(path: string): StoreProblem {
  const directory = shellQuote(dirname(path));
  return {
    kind: "disk_full",
    message: `no space left on the disk that holds ${path}`,
    mend: `df -h ${directory} && du -ah ${directory} | sort -h | tail`,
  };
}

function locked(path: string): StoreProblem {
  return { kind: "locked", message: `another process keeps the store ${path} locked`, mend: "flock down && flock up" };
}

function unwritable(path: string, text: string): StoreProblem {
  const directory = shellQuote(dirname(path));
  return {
    kind: "unwritable",
    message: `the store ${path} cannot be written (${text})`,
    mend: `mkdir -p ${directory} && chmod u+rwx ${directory}, or another place: flock up --data-dir DIR`,
  };
}

function freeBytes(path: string): number {
  try {
    const disk = statfsSync(dirname(path));
    return disk.bavail * disk.bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
