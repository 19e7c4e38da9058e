// Which test files are started first: two go at a time, and a long one that comes last would run alone.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Seconds that the long ones take, about; all others count as one. */
export const LONG_FILES = {
  "test/crash/usage-survives-kill.test.ts": 120,
  "test/cluster/namespaces.test.ts": 60,
  "test/cluster/versions.test.ts": 50,
  "test/cluster/processes.test.ts": 45,
  "test/cluster/move.test.ts": 35,
  "test/lifecycle/background.test.ts": 32,
  "test/chaos/engines.test.ts": 30,
  "test/captures/replay-embedded.test.ts": 22,
  "src/engine/embedded/throughput.test.ts": 18,
  "test/lifecycle/failed-start.test.ts": 17,
  "test/cluster/rejoin.test.ts": 17,
};

/**
 * Writes what `bun test --timings` goes by for all test files below these folders of `root`. Bun starts files that it finds
 * no time of before all others, so each has one.
 */
export function writeTimings(path, root, folders, long = LONG_FILES) {
  const found = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => `${folder}/${name}`),
  );
  const files = Object.fromEntries(found.map((name) => [name, (long[name] ?? 1) * 1000]));
  writeFileSync(path, JSON.stringify({ version: 1, files }));
}
