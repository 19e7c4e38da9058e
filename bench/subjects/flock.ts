import { readFileSync } from "node:fs";
import { join } from "node:path";
import { poll, testEnv } from "../../test/support/start-flock.ts";
import { childrenOf } from "../process-cost.ts";
import { CHAT_PATH, type Subject, type SubjectKind, type SubjectPlace } from "../subject.ts";

export interface FlockBuild {
  readonly name: string;
  /** The checkout to run from. */
  readonly root: string;
  /** Arguments for Bun itself, such as `--cpu-prof`. */
  readonly bunArguments?: readonly string[];
  /** A key with a daily quota too; without it the key limits requests at once only. */
  readonly quota: boolean;
}

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 30_000;
/** High enough never to refuse: the limits are kept, not hit. */
const LIMITS = { concurrency: 100_000, daily_tokens: 1_000_000_000_000 };

/** The real `flock up` in front of the mock engine: keys, limits, routing, usage, metrics, all on. */
export function flock(build: FlockBuild): SubjectKind {
  return { name: build.name, missing: () => null, start: (at) => startFlock(build, at) };
}

async function startFlock(build: FlockBuild, at: SubjectPlace): Promise<Subject> {
  const env = flockEnv(at.dir, at.enginePort);
  const main = join(build.root, "src/main.ts");
  const child = Bun.spawn(at.pin([process.execPath, ...(build.bunArguments ?? []), main, "up", "--no-wizard"]), {
    // Where a CPU profile is written.
    cwd: at.dir,
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(join(at.dir, "stderr.txt")),
  });
  const url = await poll(START_DEADLINE_MS, () => {
    if (child.exitCode !== null)
      throw new Error(`${build.name} ended: ${readFileSync(join(at.dir, "stderr.txt"), "utf8")}`);
    return leaderUrl(at.dir, child.pid);
  });
  await poll(START_DEADLINE_MS, async () => (await fetch(`${url}/readyz`)).ok);
  const key = await createKey(url, readFileSync(join(at.dir, "admin.key"), "utf8").trim(), build.quota);
  return {
    name: build.name,
    port: Number(new URL(url).port),
    path: CHAT_PATH,
    headers: { authorization: `Bearer ${key}` },
    pids: [child.pid],
    besidePids: childrenOf(child.pid),
    async stop() {
      const down = Bun.spawn([process.execPath, main, "down"], { env, stdout: "ignore", stderr: "ignore" });
      const killer = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
      await Promise.all([down.exited, child.exited]);
      clearTimeout(killer);
    },
  };
}

export function flockEnv(dataDir: string, enginePort: number): Record<string, string> {
  return testEnv(dataDir, {
    FLOCK_ENGINE: "llamacpp",
    FLOCK_LLAMACPP_ENDPOINT: `http://127.0.0.1:${enginePort}`,
    FLOCK_LOG_LEVEL: "warn",
  });
}

export async function createKey(url: string, adminKey: string, quota: boolean): Promise<string> {
  const response = await fetch(`${url}/admin/v1/tokens`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "bench", limits: quota ? LIMITS : { concurrency: LIMITS.concurrency } }),
  });
  if (!response.ok) throw new Error(`no key: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { token: string }).token;
}

export function leaderUrl(dataDir: string, pid: number): string | null {
  try {
    const leader = JSON.parse(readFileSync(join(dataDir, "leader.json"), "utf8")) as { pid: number; url: string };
    return leader.pid === pid ? leader.url : null;
  } catch {
    return null;
  }
}
