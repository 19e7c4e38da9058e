import { readFileSync } from "node:fs";
import { hostname } from "node:os";

const LINUX_FILES = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/**
 * What stays the same when Flock, or its data directory's content, is installed anew: the operating system's own id, and
 * where the data directory is (two of them on one machine are two nodes). Only its hash ever leaves the machine.
 */
export function machineId(dataDir: string): string {
  return new Bun.CryptoHasher("sha256").update(`flock node\n${systemId()}\n${dataDir}`).digest("hex");
}

function systemId(): string {
  if (process.platform === "darwin") {
    const asked = Bun.spawnSync(["ioreg", "-rd1", "-c", "IOPlatformExpertDevice"], { stdin: "ignore", timeout: 5_000 });
    const uuid = /"IOPlatformUUID" = "([^"]+)"/.exec(asked.stdout.toString())?.[1];
    if (uuid !== undefined) return uuid;
  }
  for (const path of LINUX_FILES) {
    try {
      const id = readFileSync(path, "utf8").trim();
      if (id !== "") return id;
    } catch {
      continue;
    }
  }
  // A container without an id: its name is what tells it from others.
  return hostname();
}
