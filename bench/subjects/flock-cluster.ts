import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { poll } from "../../test/support/start-flock.ts";
import { CHAT_PATH, type Subject, type SubjectKind, type SubjectPlace } from "../subject.ts";
import { createKey, flockEnv, leaderUrl } from "./flock.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
const DEADLINE_MS = 60_000;
/** Nobody listens there: the leader has no engine of its own. */
const NO_ENGINE_PORT = 1;

/** A leader without an engine and a worker with one, on loopback. What is counted is the leader's cost. */
export function flockCluster(link: "lan" | "tunnel"): SubjectKind {
  return { name: `flock-${link}`, missing: () => null, start: (at) => start(link, at) };
}

async function start(link: "lan" | "tunnel", at: SubjectPlace): Promise<Subject> {
  const [leaderDir, workerDir] = [join(at.dir, "leader"), join(at.dir, "worker")];
  for (const dir of [leaderDir, workerDir]) mkdirSync(dir);
  const leaderEnv = { ...flockEnv(leaderDir, NO_ENGINE_PORT), FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" };
  const leader = spawn(at.pin([process.execPath, MAIN, "up", "--no-wizard"]), leaderEnv, leaderDir);
  const url = await poll(DEADLINE_MS, () => leaderUrl(leaderDir, leader.pid));
  await fetch(`${url}/healthz`);
  const adminKey = readFileSync(join(leaderDir, "admin.key"), "utf8").trim();
  const invited = await fetch(`${url}/admin/v1/nodes/join-tokens`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}` },
  });
  const { token } = (await invited.json()) as { token: string };
  const workerEnv = {
    ...flockEnv(workerDir, at.enginePort),
    FLOCK_JOIN_TOKEN: token,
    ...(link === "lan" ? { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" } : {}),
  };
  // Not on the leader's core: it would be another machine.
  const worker = spawn([process.execPath, MAIN, "join", "127.0.0.1"], workerEnv, workerDir);
  await poll(DEADLINE_MS, async () => (await fetch(`${url}/readyz`)).ok && (await linkOf(url, adminKey)) === link);
  const key = await createKey(url, adminKey, true);
  return {
    name: `flock-${link}`,
    port: Number(new URL(url).port),
    path: CHAT_PATH,
    headers: { authorization: `Bearer ${key}` },
    pids: [leader.pid],
    besidePids: [worker.pid],
    async stop() {
      for (const env of [workerEnv, leaderEnv]) {
        await Bun.spawn([process.execPath, MAIN, "down"], { env, stdout: "ignore", stderr: "ignore" }).exited;
      }
      await Promise.all([leader.exited, worker.exited]);
    },
  };
}

function spawn(command: string[], env: Record<string, string>, dir: string) {
  const stderr = Bun.file(join(dir, "stderr.txt"));
  return Bun.spawn(command, { cwd: dir, env, stdin: "ignore", stdout: "ignore", stderr });
}

async function linkOf(url: string, adminKey: string): Promise<string | null> {
  const answer = await fetch(`${url}/admin/v1/nodes`, { headers: { authorization: `Bearer ${adminKey}` } });
  const { nodes } = (await answer.json()) as { nodes: { role: string; link: string | null }[] };
  return nodes.find(({ role }) => role === "worker")?.link ?? null;
}
