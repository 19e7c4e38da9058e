import { closeSync, createReadStream, mkdirSync, openSync, realpathSync, symlinkSync, writeSync } from "node:fs";
import { dirname, isAbsolute, join, normalize, relative, sep } from "node:path";
import { createGunzip } from "node:zlib";
import { codeOf } from "../../core/error-code.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { diskProblem, type InstallProblem } from "./install-problem.ts";
import { BrokenArchive, type TarEntry, tarEntries } from "./tar-entries.ts";

const MOST_ENTRIES = 20_000;
/** The libraries of CUDA unpack to a few gigabytes. */
const MOST_BYTES = 32 * 2 ** 30;

class Refused extends Error {}

/**
 * Unpacks a `.tar.gz` into a directory that is there already. Nothing is ever written outside of it: absolute paths,
 * paths with `..`, links that lead out and anything but files, directories and links are refused.
 */
export async function unpack(
  archive: string,
  directory: string,
  signal: AbortSignal,
): Promise<Result<void, InstallProblem>> {
  const root = realpathSync(directory);
  const links: string[] = [];
  let entries = 0;
  let bytes = 0;
  const source = createReadStream(archive);
  const unzipped = source.pipe(createGunzip());
  source.on("error", (error) => unzipped.destroy(error));
  try {
    for await (const entry of tarEntries(unzipped)) {
      signal.throwIfAborted();
      entries += 1;
      bytes += entry.bytes;
      if (entries > MOST_ENTRIES || bytes > MOST_BYTES) throw new Refused("it is larger than any release");
      const path = placeOf(entry, root);
      if (path === null) continue;
      if (entry.kind === "directory") mkdirSync(path, { recursive: true, mode: 0o755 });
      else if (entry.kind === "link") links.push(await link(entry, path));
      else await write(entry, path);
    }
    for (const path of links) if (!isWithin(realpathSync(path), root)) throw new Refused("a link leads out of it");
    return ok(undefined);
  } catch (error) {
    return err(toProblem(error, archive, directory, signal));
  } finally {
    source.destroy();
    unzipped.destroy();
  }
}

/** Where an entry goes; null: it is the directory itself. */
function placeOf({ path, kind }: TarEntry, root: string): string | null {
  const name = normalize(path);
  if (isAbsolute(path) || path.split("/").includes("..") || path.includes("\0")) {
    throw new Refused(`it holds the path ${JSON.stringify(path.slice(0, 200))}`);
  }
  if (kind === "other") throw new Refused(`${path.slice(0, 200)} is neither file, directory nor link`);
  if (name === "." || name === "./") return null;
  const place = join(root, name);
  const parent = dirname(place);
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  // A link that came earlier may have made a detour of the path.
  if (!isWithin(realpathSync(parent), root)) throw new Refused(`${path.slice(0, 200)} leads out of it`);
  return place;
}

async function link({ target }: TarEntry, path: string): Promise<string> {
  if (isAbsolute(target) || target === "") throw new Refused(`a link leads to ${JSON.stringify(target.slice(0, 200))}`);
  symlinkSync(target, path);
  return await Promise.resolve(path);
}

async function write(entry: TarEntry, path: string): Promise<void> {
  // Exclusive: never through a link that has the same name.
  const fd = openSync(path, "wx", entry.mode & 0o111 ? 0o755 : 0o644);
  try {
    for await (const piece of entry.content()) for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
  } finally {
    closeSync(fd);
  }
}

function isWithin(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function toProblem(error: unknown, archive: string, directory: string, signal: AbortSignal): InstallProblem {
  const mend = `rm ${archive}, then: flock engine install llamacpp`;
  if (signal.aborted) return { message: "cancelled", mend: "flock engine install llamacpp" };
  if (error instanceof Refused) return { message: `the archive is refused: ${error.message}`, mend };
  if (error instanceof BrokenArchive) return { message: `the archive cannot be unpacked: ${error.message}`, mend };
  const code = codeOf(error);
  if (code.startsWith("Z_")) return { message: `the archive cannot be unpacked: it is damaged (${code})`, mend };
  if (code === "EEXIST") return { message: "the archive is refused: it holds a path twice", mend };
  if (code === "ENOENT") return { message: "the archive is refused: a link in it leads nowhere", mend };
  return diskProblem(error, directory);
}
