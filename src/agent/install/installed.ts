import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { writePrivateFile } from "../../core/private-file.ts";

/** One unpacked release of llama.cpp. */
export interface Installed {
  /** The release's tag, e.g. `b10488`. */
  readonly version: string;
  readonly variant: string;
  readonly bytes: number;
  readonly pinned: boolean;
}

const FOLDER = /^(?<version>[A-Za-z0-9][A-Za-z0-9.]*)-(?<variant>[a-z0-9]+)$/;
const PROGRAM_DEPTH = 3;
/** What makes an unpacked archive a version. */
export const SERVER = "llama-server";

/** `<data dir>/llama.cpp`: a folder for each release, and the name of the pinned one. */
export class InstalledVersions {
  readonly directory: string;

  constructor(dataDir: string) {
    this.directory = join(dataDir, "llama.cpp");
  }

  folderOf(version: string, variant: string): string {
    return join(this.directory, `${version}-${variant}`);
  }

  /** Newest first. */
  list(): Installed[] {
    const pinned = this.#pinned();
    return names(this.directory)
      .flatMap((name) => {
        const { version, variant } = FOLDER.exec(name)?.groups ?? {};
        const program = programIn(join(this.directory, name), SERVER);
        if (version === undefined || variant === undefined || program === null) return [];
        const path = join(this.directory, name);
        const installed: Installed = { version, variant, bytes: sizeOf(path), pinned: name === pinned };
        return [{ installed, at: statSync(path).mtimeMs }];
      })
      .toSorted((a, b) => b.at - a.at)
      .map(({ installed }) => installed);
  }

  /** By its tag alone where only one variant of it is there, else `<tag>-<variant>`. */
  find(name: string): Installed | null {
    const all = this.list();
    const whole = all.find(({ version, variant }) => `${version}-${variant}` === name);
    const [only, second] = all.filter(({ version }) => version === name);
    return whole ?? (second === undefined ? (only ?? null) : null);
  }

  /** Engines are started with this one from now on. */
  pin({ version, variant }: Pick<Installed, "version" | "variant">): void {
    writePrivateFile(join(this.directory, "pinned"), `${version}-${variant}\n`);
  }

  /** A program of the pinned version; null: none is pinned, or that has no such program. */
  pinnedProgram(program: string): string | null {
    const name = this.#pinned();
    return name === null ? null : programIn(join(this.directory, name), program);
  }

  /** What an install that was killed left unpacked. */
  sweep(): void {
    for (const name of names(this.directory)) {
      if (name.startsWith(".unpacking-")) rmSync(join(this.directory, name), { recursive: true, force: true });
    }
  }

  #pinned(): string | null {
    try {
      const name = readFileSync(join(this.directory, "pinned"), "utf8").trim();
      return FOLDER.test(name) ? name : null;
    } catch {
      return null;
    }
  }
}

/** A program in an unpacked archive, which has a folder or two around it. */
export function programIn(folder: string, program: string, depth = PROGRAM_DEPTH): string | null {
  for (const name of names(folder)) {
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() && name === program) return path;
    const within = stat?.isDirectory() && depth > 1 ? programIn(path, program, depth - 1) : null;
    if (within !== null) return within;
  }
  return null;
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return [];
  }
}

function sizeOf(folder: string): number {
  return names(folder).reduce((sum, name) => {
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    return sum + (stat?.isDirectory() ? sizeOf(path) : (stat?.size ?? 0));
  }, 0);
}
