import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writePrivateFile } from "../core/private-file.ts";

/** `<dataDir>/leader.json`: where the running leader listens, for the CLI. Removed when it stops. */
export interface LeaderFile {
  readonly pid: number;
  readonly url: string;
  readonly startedAt: number;
  readonly version: string;
  /** The control socket. */
  readonly socket: string;
}

export function writeLeaderFile(dataDir: string, file: LeaderFile): void {
  writePrivateFile(join(dataDir, "leader.json"), `${JSON.stringify(file)}\n`);
}

export function removeLeaderFile(dataDir: string): void {
  rmSync(join(dataDir, "leader.json"), { force: true });
}

/** Of the leader that wrote the file last, which may be gone. */
export function readLeaderPid(dataDir: string): number | null {
  try {
    const value: unknown = JSON.parse(readFileSync(join(dataDir, "leader.json"), "utf8"));
    const pid = typeof value === "object" && value !== null && "pid" in value ? value.pid : null;
    return typeof pid === "number" ? pid : null;
  } catch {
    return null;
  }
}
