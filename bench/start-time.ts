import { join } from "node:path";
import { freePort, takesConnections } from "./spawn-server.ts";
import { median } from "./statistics.ts";
import { flockEnv } from "./subjects/flock.ts";

export interface StartTime {
  /** Spawn until the port takes connections, on a data directory that is there already. */
  readonly flockMs: number;
  /** Spawn until `bun -e 0` has ended. */
  readonly emptyMs: number;
}

const RUNS = 15;
const DEADLINE_MS = 30_000;

/** Medians, the two interleaved. */
export async function measureStart(root: string, dataDir: string, enginePort: number): Promise<StartTime> {
  const flockMs: number[] = [];
  const emptyMs: number[] = [];
  // The first one makes the database and the keys.
  await startOnce(root, dataDir, enginePort);
  for (let run = 0; run < RUNS; run += 1) {
    flockMs.push(await startOnce(root, dataDir, enginePort));
    const started = performance.now();
    await Bun.spawn([process.execPath, "-e", "0"], { stdout: "ignore", stderr: "ignore" }).exited;
    emptyMs.push(performance.now() - started);
  }
  return { flockMs: median(flockMs), emptyMs: median(emptyMs) };
}

async function startOnce(root: string, dataDir: string, enginePort: number): Promise<number> {
  const port = await freePort();
  const env = { ...flockEnv(dataDir, enginePort), FLOCK_LISTEN: `127.0.0.1:${port}` };
  const main = join(root, "src/main.ts");
  const started = performance.now();
  const child = Bun.spawn([process.execPath, main, "up", "--no-wizard"], {
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null) throw new Error(`flock ended: ${await new Response(child.stderr).text()}`);
    if (performance.now() - started > DEADLINE_MS) throw new Error("flock does not listen");
    await Bun.sleep(1);
  }
  const tookMs = performance.now() - started;
  await Bun.spawn([process.execPath, main, "down"], { env, stdout: "ignore", stderr: "ignore" }).exited;
  await child.exited;
  return tookMs;
}
