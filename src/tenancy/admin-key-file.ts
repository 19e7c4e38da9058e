import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { readPrivateFile, writePrivateFile } from "../core/private-file.ts";
import { looksLikeSecret } from "./key-secret.ts";

export function adminKeyPath(dataDir: string): string {
  return join(dataDir, "admin.key");
}

/** The secret in the file; null when there is no file; "" when it holds something else. Throws when it is unreadable. */
export function readAdminKey(path: string): string | null {
  const text = readPrivateFile(path)?.trim() ?? null;
  return text === null || looksLikeSecret(text) ? text : "";
}

/** On disk when it returns. Throws the file system's error. */
export function writeAdminKey(path: string, secret: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writePrivateFile(path, `${secret}\n`);
}
