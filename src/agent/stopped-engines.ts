import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { writePrivateFile } from "../core/private-file.ts";

const ids = z.array(z.string());

/** `<data dir>/stopped-engines.json`: the engines that a person stopped. They stay so until a person starts them. */
export class StoppedEngines {
  readonly #file: string;

  constructor(dataDir: string) {
    this.#file = join(dataDir, "stopped-engines.json");
  }

  has(engineId: string): boolean {
    return this.#read().includes(engineId);
  }

  set(engineId: string, stopped: boolean): void {
    const before = this.#read();
    if (before.includes(engineId) === stopped) return;
    const after = stopped ? [...before, engineId] : before.filter((id) => id !== engineId);
    if (after.length === 0) rmSync(this.#file, { force: true });
    else writePrivateFile(this.#file, JSON.stringify(after));
  }

  #read(): readonly string[] {
    try {
      const parsed = ids.safeParse(JSON.parse(readFileSync(this.#file, "utf8")));
      return parsed.success ? parsed.data : [];
    } catch {
      return [];
    }
  }
}
