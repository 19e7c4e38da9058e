/** The `code` of an error of the file system or of a database driver; "" when it has none. */
export function codeOf(cause: unknown): string {
  return textAt(cause, "code");
}

/** PostgreSQL's five characters (https://www.postgresql.org/docs/current/errcodes-appendix.html); "" for other errors. */
export function sqlStateOf(cause: unknown): string {
  return codeOf(cause) === "ERR_POSTGRES_SERVER_ERROR" ? textAt(cause, "errno") : "";
}

/** The file that an error of the file system is about; "" for other errors. */
export function filePathOf(cause: unknown): string {
  return /^E[A-Z]+$/.test(codeOf(cause)) ? textAt(cause, "path") : "";
}

function textAt(cause: unknown, name: string): string {
  if (typeof cause !== "object" || cause === null) return "";
  const value = (cause as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : "";
}
