import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startClusterLeader, startClusterWorker, startNode } from "../test/support/start-cluster.ts";
import { poll } from "../test/support/start-flock.ts";
import { median } from "./statistics.ts";

const ROUNDS = 5;
const TEXT = Array.from({ length: 400 }, (_, at) => `w${at}`).join(" ");

/** How long it takes until requests are answered again after what may happen: a leader and two workers, real processes. */
export async function recoveryBench(): Promise<void> {
  const leader = await startClusterLeader();
  const start = (name: string) =>
    startClusterWorker(leader, {
      env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
      model: { id: "team", says: TEXT },
      flags: ["--name", name],
    });
  const workers = [await start("one"), await start("two")];
  let leads = leader.pid;
  let url = leader.url;
  const ask = (model: string): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${leader.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model, max_tokens: 2, messages: [{ role: "user", content: String(Math.random()) }] }),
      keepalive: false,
    });
  const answered = (model: string): Promise<true> =>
    poll(60_000, async () => ((await ask(model).catch(() => null))?.ok === true ? true : null));
  const back = (): Promise<unknown> =>
    poll(60_000, async () => {
      const nodes = await leader.nodes().catch(() => []);
      return nodes.filter(({ state }) => state === "ready").length === 3;
    });
  const times: Record<string, number[]> = {};
  const timed = async (what: string, fromMs: number, until: Promise<unknown>): Promise<void> => {
    await until;
    (times[what] ??= []).push(performance.now() - fromMs);
  };
  try {
    await back();
    await answered("team");
    for (let round = 0; round < ROUNDS; round += 1) {
      const victim = workers.pop();
      if (victim === undefined) break;
      await victim.kill();
      await timed("a worker is killed: next answer of its model, by the other", performance.now(), answered("team"));
      workers.unshift(
        await startNode(["up"], {
          dataDir: victim.dataDir,
          env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
          waitFor: /is a worker of/,
        }),
      );
      await back();

      process.kill(leads, "SIGKILL");
      const crashedMs = performance.now();
      const again = startNode(["up"], {
        dataDir: leader.dataDir,
        env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
        waitFor: /Flock is ready/,
      });
      const before = url;
      const record = await poll(60_000, () => leaderRecord(leader.dataDir, leads));
      [leads, url] = [record.pid, record.url];
      if (before === url) throw new Error("the old leader still answers");
      await Promise.all([
        timed("the leader is killed and started: answer of its own model", crashedMs, answered("flock-tiny")),
        timed("the same: answer of a worker's model", crashedMs, answered("team")),
        timed("the same: all workers are back", crashedMs, back()),
      ]);
      await again;

      const restartedMs = performance.now();
      await timed("flock restart, until the new process answers", restartedMs, leader.cli("restart"));
      [leads, url] = await poll(60_000, () => {
        const { pid, url: now } = leaderRecord(leader.dataDir, leads) ?? { pid: 0, url: "" };
        return pid === 0 ? null : ([pid, now] as const);
      }).then((found) => [...found] as [number, string]);
      await back();
    }
    console.log(`Medians and worst of ${ROUNDS} rounds, in ms:`);
    for (const [what, all] of Object.entries(times)) {
      console.log(
        `  ${what.padEnd(64)} ${median(all).toFixed(0).padStart(6)} ${Math.max(...all)
          .toFixed(0)
          .padStart(6)}`,
      );
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.remove()));
    await leader.remove();
  }
}

function leaderRecord(dataDir: string, notPid: number): { readonly pid: number; readonly url: string } | null {
  try {
    const record = JSON.parse(readFileSync(join(dataDir, "leader.json"), "utf8")) as { pid: number; url: string };
    return record.pid === notPid ? null : record;
  } catch {
    return null;
  }
}
