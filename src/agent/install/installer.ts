import { mkdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Gpu } from "../../core/node.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { askProgram } from "../ask-program.ts";
import { download } from "./download.ts";
import { diskProblem, type InstallProblem } from "./install-problem.ts";
import { type Installed, InstalledVersions, programIn, SERVER } from "./installed.ts";
import { type Asset, readRelease } from "./release.ts";
import { unpack } from "./unpack.ts";
import { assetsFor, type Platform, type Variant, variantFor } from "./variant.ts";

export interface InstallWish {
  /** Null: the newest. */
  readonly version: string | null;
  /** Null: what the machine asks for. */
  readonly variant: Variant | null;
  /** Of the program's archive, where the release tells none. */
  readonly sha256: string | null;
}

export interface InstallProgress {
  readonly bytes: number;
  /** Null: not known yet. */
  readonly totalBytes: number | null;
  readonly message: string;
}

export interface InstallerParts {
  readonly dataDir: string;
  readonly releaseUrl: string;
  readonly platform: Platform;
  readonly gpus: (signal: AbortSignal) => Promise<readonly Gpu[]>;
}

/** An archive unpacks to about this many times its size. */
const UNPACKED_RATIO = 4;
const VERSION_TIMEOUT_MS = 30_000;

/** Brings one release of llama.cpp onto this machine, beside those that are there, and pins it. */
export async function install(
  parts: InstallerParts,
  wish: InstallWish,
  progress: (progress: InstallProgress) => void,
  signal: AbortSignal,
): Promise<Result<Installed, InstallProblem>> {
  progress({ bytes: 0, totalBytes: null, message: "asking for the release" });
  const release = await readRelease(parts.releaseUrl, wish.version, signal);
  if (!release.ok) return release;
  const gpus = await parts.gpus(signal);
  const variant = wish.variant ?? variantFor(parts.platform, gpus);
  const driver = gpus.find(({ vendor }) => vendor === "nvidia")?.driver ?? null;
  const assets = assetsFor(release.value, parts.platform, variant, driver);
  if (!assets.ok) return assets;
  const { tag } = release.value;
  const versions = new InstalledVersions(parts.dataDir);
  const present = versions.find(`${tag}-${variant}`);
  if (present !== null) {
    versions.pin(present);
    progress({ bytes: 0, totalBytes: 0, message: `${tag} (${variant}) is installed already` });
    return ok({ ...present, pinned: true });
  }
  const room = roomFor(versions.directory, assets.value);
  if (room !== null) return err(room);
  const archives = await fetchAll(assets.value, wish.sha256, join(versions.directory, "downloads"), progress, signal);
  if (!archives.ok) return archives;
  progress({ bytes: 0, totalBytes: null, message: `unpacking ${tag} (${variant})` });
  const placed = await place(versions, { tag, variant }, archives.value, signal);
  if (!placed.ok) return placed;
  for (const archive of archives.value) rmSync(archive, { force: true });
  versions.pin({ version: tag, variant });
  const installed = versions.find(`${tag}-${variant}`);
  return installed === null ? err(incomplete(tag)) : ok(installed);
}

async function fetchAll(
  assets: readonly Asset[],
  given: string | null,
  directory: string,
  progress: (progress: InstallProgress) => void,
  signal: AbortSignal,
): Promise<Result<readonly string[], InstallProblem>> {
  const totalBytes = assets.reduce((sum, { bytes }) => sum + bytes, 0);
  const paths: string[] = [];
  let before = 0;
  for (const [at, asset] of assets.entries()) {
    const sha256 = (at === 0 ? given?.toLowerCase() : undefined) ?? asset.sha256;
    if (sha256 === null) {
      const message = `the release tells no checksum of ${asset.name}`;
      return err({ message, mend: "flock engine install llamacpp --sha256 <checksum of the archive>" });
    }
    const path = join(directory, asset.name);
    const report = (bytes: number): void =>
      progress({ bytes: before + bytes, totalBytes, message: `downloading ${asset.name}` });
    report(0);
    const fetched = await download(asset, sha256, path, report, signal);
    if (!fetched.ok) return fetched;
    before += asset.bytes;
    paths.push(path);
  }
  return ok(paths);
}

/** Unpacked aside and renamed when it is whole and runs: what bears a version's name is always complete. */
async function place(
  versions: InstalledVersions,
  { tag, variant }: { readonly tag: string; readonly variant: Variant },
  archives: readonly string[],
  signal: AbortSignal,
): Promise<Result<void, InstallProblem>> {
  versions.sweep();
  const aside = join(versions.directory, `.unpacking-${tag}-${variant}`);
  try {
    mkdirSync(aside, { recursive: true, mode: 0o755 });
    for (const [at, archive] of archives.entries()) {
      // The CUDA libraries belong beside the program, and their archive has no folder around them.
      const program = at === 0 ? null : programIn(aside, SERVER);
      const unpacked = await unpack(archive, program === null ? aside : join(program, ".."), signal);
      if (!unpacked.ok) return unpacked;
    }
    const program = programIn(aside, SERVER);
    if (program === null) return err(incomplete(tag));
    if ((await askProgram([program, "--version"], VERSION_TIMEOUT_MS, signal)) === null && !signal.aborted) {
      return err({
        message: `llama-server ${tag} (${variant}) does not run on this machine`,
        mend: "flock engine install llamacpp --variant cpu (or: vulkan)",
      });
    }
    signal.throwIfAborted();
    renameSync(aside, versions.folderOf(tag, variant));
    return ok(undefined);
  } catch (error) {
    if (signal.aborted) return err({ message: "cancelled", mend: "flock engine install llamacpp" });
    return err(diskProblem(error, versions.directory));
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

function roomFor(directory: string, assets: readonly Asset[]): InstallProblem | null {
  const needed = assets.reduce((sum, { bytes }) => sum + bytes, 0) * (1 + UNPACKED_RATIO);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { bavail, bsize } = statfsSync(directory);
    if (bavail * bsize >= needed) return null;
    const [gigabytes, free] = [needed, bavail * bsize].map((bytes) => (bytes / 1e9).toFixed(1));
    const message = `${directory} needs ${gigabytes} GB of space and has ${free} GB`;
    return { message, mend: "free some, then: flock engine install llamacpp" };
  } catch (error) {
    return diskProblem(error, directory);
  }
}

function incomplete(tag: string): InstallProblem {
  return {
    message: `the archive of ${tag} holds no llama-server`,
    mend: "flock engine install llamacpp --version <another tag>",
  };
}
