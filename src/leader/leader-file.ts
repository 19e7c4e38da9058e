import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** `<dataDir>/leader.json`: where the running leader listens, for the CLI. Removed when it stops. */
export interface LeaderFile {
  readonly pid: number;
  readonly url: string;
  readonly startedAt: number;
  readonly version: string;
}

export function writeLeaderFile(dataDir: string, file: LeaderFile): void {
  const path = join(dataDir, "leader.json");
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(file)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

export function removeLeaderFile(dataDir: string): void {
  rmSync(join(dataDir, "leader.json"), { force: true });
}
