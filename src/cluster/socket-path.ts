import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../core/result.ts";

/** The kernel's limit is 104 bytes on macOS and 108 on Linux, the closing zero included. */
const MAX_SOCKET_BYTES = 100;

export interface SocketPlace {
  readonly dataDir: string;
  /** `agent`, `leader`: what listens there. */
  readonly name: string;
  readonly temporaryDir: string;
  readonly uid: number;
}

/**
 * Where a process of this data directory listens: inside it, or, when that path is too long for a socket, in a folder of
 * this user under the temporary directory. Whoever can open the socket is its master, so the folder must be ours.
 */
export function socketPath({ dataDir, name, temporaryDir, uid }: SocketPlace): Result<string, string> {
  const own = join(dataDir, `${name}.sock`);
  if (Buffer.byteLength(own) <= MAX_SOCKET_BYTES) return ok(own);
  const folder = join(temporaryDir, `flock-${uid}`);
  const file = `${new Bun.CryptoHasher("sha256").update(dataDir).digest("hex").slice(0, 16)}-${name}.sock`;
  const path = join(folder, file);
  if (Buffer.byteLength(path) > MAX_SOCKET_BYTES) {
    return err(`${path} is too long for a socket; choose a shorter data directory: --data-dir`);
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Anyone may have made it before us: a link or a folder of another user would hand the socket to them.
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== uid) {
    return err(`${folder} does not belong to this user; remove it, or choose a shorter data directory: --data-dir`);
  }
  chmodSync(folder, 0o700);
  return ok(path);
}
