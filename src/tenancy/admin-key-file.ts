import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { looksLikeSecret } from "./key-secret.ts";

export function adminKeyPath(dataDir: string): string {
  return join(dataDir, "admin.key");
}

/** The secret in the file; null when there is no file; "" when it holds something else. Throws when it is unreadable. */
export function readAdminKey(path: string): string | null {
  try {
    const text = readFileSync(path, "utf8").trim();
    return looksLikeSecret(text) ? text : "";
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw cause;
  }
}

/** All or nothing, on disk when it returns, readable by its owner only. Throws the file system's error. */
export function writeAdminKey(path: string, secret: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  try {
    const file = openSync(partial, "wx", 0o600);
    try {
      writeSync(file, `${secret}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  } catch (cause) {
    rmSync(partial, { force: true });
    throw cause;
  }
  const dir = openSync(dirname(path), "r");
  fsyncSync(dir);
  closeSync(dir);
}
