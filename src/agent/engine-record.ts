import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { LaunchSpec } from "../engine/driver.ts";
import { writePrivateFile } from "../core/private-file.ts";

/** `<dataDir>/engines/<id>.json`: all that a later agent needs to take a running child over. Holds the secret. */
const engineRecord = z.strictObject({
  pid: z.number().int(),
  processStart: z.string().nullable(),
  /** Null until the child has said where it listens. */
  port: z.number().int().nullable(),
  instance: z.string().nullable(),
  secret: z.string(),
  specHash: z.string(),
  startedAt: z.number(),
  epoch: z.number(),
  readyFile: z.string(),
});
export type EngineRecord = z.infer<typeof engineRecord>;

export class EngineRecords {
  readonly #folder: string;

  constructor(dataDir: string) {
    this.#folder = join(dataDir, "engines");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Where a child of this start says that it listens. Of its own for each start, so that no old one is believed. */
  readyFile(id: string, epoch: number): string {
    return join(this.#folder, `${id}.${epoch}.ready`);
  }

  read(id: string): EngineRecord | null {
    try {
      const parsed = engineRecord.safeParse(JSON.parse(readFileSync(this.#path(id), "utf8")));
      return parsed.success ? parsed.data : null;
    } catch {
      return null;
    }
  }

  write(id: string, record: EngineRecord): void {
    writePrivateFile(this.#path(id), JSON.stringify(record));
  }

  remove(id: string): void {
    rmSync(this.#path(id), { force: true });
    for (const name of readdirSync(this.#folder)) {
      if (name.startsWith(`${id}.`) && /^\d+\.ready$/.test(name.slice(id.length + 1))) {
        rmSync(join(this.#folder, name), { force: true });
      }
    }
  }

  ids(): string[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length));
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}

const readyReport = z.object({
  pid: z.number().int(),
  port: z.number().int().min(1).max(65_535),
  instance: z.string(),
});

/** Null until the child has written it. */
export function readReadyFile(path: string): z.infer<typeof readyReport> | null {
  try {
    const parsed = readyReport.safeParse(JSON.parse(readFileSync(path, "utf8")));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** A child started with another spec is not taken over. What changes at each start is left out. */
export function hashSpec(spec: LaunchSpec): string {
  const env = Object.entries(spec.env)
    .filter(([name]) => !PER_START.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const identity = [spec.id, spec.kind, spec.command, spec.args, env, spec.cwd, spec.listens];
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(identity)).digest("hex");
}

const PER_START: ReadonlySet<string> = new Set(["FLOCK_ENGINE_SECRET", "FLOCK_ENGINE_PORT", "FLOCK_ENGINE_READY_FILE"]);
