import {
  closeSync,
  createReadStream,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "../../core/error-code.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { diskProblem, type InstallProblem } from "./install-problem.ts";
import { noNetwork, type Asset } from "./release.ts";

/** Nothing for so long: the connection is dead. */
const SILENCE_MS = 60_000;
const MEND = "flock engine install llamacpp";

/**
 * Fetches a file whole and proves it by its checksum. What an earlier attempt left (`<path>.part`) is gone on with; a file
 * that is there already and is right is not fetched again. `onBytes` hears how many of it are here.
 */
export async function download(
  asset: Asset,
  sha256: string,
  path: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Result<void, InstallProblem>> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (sizeOf(path) === asset.bytes && (await hashOf(path)) === sha256) return ok(undefined);
    const part = `${path}.part`;
    const fetched = await fetchRest(asset, part, onBytes, signal);
    if (!fetched.ok) return fetched;
    const found = await hashOf(part);
    if (found !== sha256) {
      // Going on with it could never end well.
      rmSync(part, { force: true });
      const message = `${asset.name} has the checksum ${found}, not ${sha256} as the release says; it was deleted`;
      return err({ message, mend: `${MEND} (when it happens again, do not trust ${new URL(asset.url).host})` });
    }
    renameSync(part, path);
    return ok(undefined);
  } catch (error) {
    if (signal.aborted) return err({ message: "cancelled", mend: MEND });
    return err(diskProblem(error, dirname(path)));
  }
}

async function fetchRest(
  asset: Asset,
  part: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Result<void, InstallProblem>> {
  let have = sizeOf(part);
  if (have > asset.bytes) {
    rmSync(part, { force: true });
    have = 0;
  }
  if (have === asset.bytes) return ok(undefined);
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const over = AbortSignal.any([signal, silence.signal]);
  let fd: number | null = null;
  try {
    const headers = { "user-agent": "flock", ...(have > 0 ? { range: `bytes=${have}-` } : {}) };
    const answer = await fetch(asset.url, { headers, signal: over, timeout: false, decompress: false });
    if (answer.status !== 200 && answer.status !== 206) {
      const mend = answer.status === 404 ? `${MEND} --version <another tag>` : MEND;
      return err({ message: `${asset.url} answers ${answer.status}`, mend });
    }
    // A server that knows no ranges begins at the beginning.
    if (answer.status === 200) have = 0;
    fd = openSync(part, have > 0 ? "r+" : "w", 0o600);
    ftruncateSync(fd, have);
    for await (const piece of answer.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at, piece.length - at, have + at);
      have += piece.length;
      onBytes(have);
    }
  } catch (error) {
    if (signal.aborted) return err({ message: "cancelled", mend: MEND });
    if (isOfDisk(error)) return err(diskProblem(error, dirname(part)));
    return err(have > 0 ? brokeOff(asset, have) : noNetwork(asset.url, error));
  } finally {
    clearTimeout(timer);
    if (fd !== null) closeSync(fd);
  }
  return have === asset.bytes ? ok(undefined) : err(brokeOff(asset, have));
}

function brokeOff({ name, bytes }: Asset, have: number): InstallProblem {
  return {
    message: `the download of ${name} broke off after ${have} of ${bytes} bytes`,
    mend: `${MEND} (it goes on there)`,
  };
}

function isOfDisk(error: unknown): boolean {
  const code = codeOf(error);
  return ["ENOSPC", "EDQUOT", "EACCES", "EROFS", "EIO"].includes(code);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function hashOf(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hasher.update(piece as Uint8Array);
  return hasher.digest("hex");
}
