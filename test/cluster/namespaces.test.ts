import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { LEAD, type NetLab, openNetLab, type Place, whyNoLab } from "../support/net-lab.ts";
import {
  type ClusterLeader,
  type ClusterNode,
  type NodeRow,
  startClusterLeader,
  startClusterWorker,
} from "../support/start-cluster.ts";
import { MAIN, poll, temporaryDirectory, testEnv } from "../support/start-flock.ts";

const SUPPORT = join(import.meta.dir, "../support");
const why = await whyNoLab();

interface Got {
  readonly status?: number;
  readonly replica?: string | null;
  readonly text?: string;
  readonly piece?: string;
  readonly failed?: string;
}

describe.skipIf(why !== null)(`machines of their own${why === null ? "" : ` (${why})`}`, () => {
  let lab: NetLab;
  let leader: ClusterLeader;
  let near: ClusterNode;
  let far: ClusterNode;

  beforeAll(async () => {
    lab = await openNetLab();
    leader = await startClusterLeader({
      prefix: lab.prefix("lead"),
      env: { FLOCK_LISTEN: ":8080", FLOCK_CLUSTER_LISTEN: "" },
    });
    [near, far] = await Promise.all([
      startClusterWorker(leader, {
        prefix: lab.prefix("near"),
        env: { FLOCK_LISTEN: ":8080" },
        model: { id: "near-model", says: "near speaks" },
        flags: ["--name", "near"],
        target: LEAD,
      }),
      startClusterWorker(leader, {
        prefix: lab.prefix("far"),
        env: { FLOCK_LISTEN: ":8080" },
        model: { id: "far-model", says: "far answers" },
        flags: ["--name", "far"],
        target: LEAD,
      }),
    ]);
  }, 120_000);

  afterAll(async () => {
    await Promise.all([near?.remove(), far?.remove()]);
    await leader?.remove();
    await lab?.[Symbol.asyncDispose]();
  }, 60_000);

  async function ask(model: string, from: Place = "lead"): Promise<Got> {
    const input = {
      url: "http://10.77.0.1:8080/v1/chat/completions",
      key: leader.adminKey,
      lines: false,
      body: chat(model),
    };
    const command = [...lab.prefix(from), process.execPath, join(SUPPORT, "lab-client.ts"), JSON.stringify(input)];
    const run = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const said = await new Response(run.stdout).text();
    return Object.assign(
      {},
      ...said
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Got),
    ) as Got;
  }

  const chat = (model: string) => ({ model, messages: [{ role: "user", content: "hi" }] });

  async function rowOf(name: string, is: (row: NodeRow) => boolean, withinMs = 60_000): Promise<NodeRow> {
    return await poll(withinMs, async () => (await leader.nodes()).find((row) => row.name === name && is(row)));
  }

  test("a machine on the same network is linked over it, one behind a NAT by its own connection; each serves its model", async () => {
    const [nearRow, farRow] = await Promise.all([
      rowOf("near", ({ link, state }) => link === "lan" && state === "ready"),
      rowOf("far", ({ link, state }) => link === "tunnel" && state === "ready"),
    ]);
    for (const [model, says, node] of [
      ["near-model", "near speaks", nearRow.id],
      ["far-model", "far answers", farRow.id],
    ] as const) {
      const got = await poll(30_000, async () => {
        const answer = await ask(model);
        return answer.status === 200 ? answer : null;
      });
      expect(got.replica).toBe(`${node}/embedded/${model}`);
      expect(got.text).toContain(says);
    }
  }, 90_000);

  test("a machine on the same network finds the leader by asking, one behind a NAT finds none; the leader prints the line", async () => {
    const look = async (place: Place): Promise<string> => {
      const dataDir = temporaryDirectory();
      const env = testEnv(dataDir);
      const run = Bun.spawn([...lab.prefix(place), process.execPath, MAIN, "join"], {
        env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()]);
      rmSync(dataDir, { recursive: true });
      return out + err;
    };
    const [seen, unseen] = await Promise.all([look("near"), look("far")]);
    expect(seen).toContain("http://10.77.0.1:8080");
    expect(unseen).toContain("no leader announces itself on this network");
    expect(leader.output()).toMatch(/Add another machine .*\n +flock join 'http:\/\/10\.77\.0\.1\?token=ey/);
  }, 60_000);

  test("a client on another machine gets its answer through a line that is slow and loses packets", async () => {
    await lab.rate("far", "2mbit");
    await lab.loss("far", 0.15);
    const answers = await Promise.all(Array.from({ length: 4 }, () => ask("far-model", "near")));
    await lab.rate("far", null);
    await lab.loss("far", 0);
    expect(
      answers.map(({ status, text, failed }) => failed ?? `${status} ${/far answers/.exec(text ?? "")?.[0]}`),
    ).toEqual(Array.from({ length: 4 }, () => "200 far answers"));
  }, 90_000);

  test("a worker that reaches the leader with 80 ms each way joins and serves", async () => {
    const relay = [join(SUPPORT, "delay-relay.ts"), "127.0.0.1:8081", `${LEAD}:8081`, "80"];
    const relaying = Bun.spawn([...lab.prefix("nat"), process.execPath, ...relay], {
      stdout: "pipe",
      stderr: "inherit",
    });
    await relaying.stdout.getReader().read();
    const slow = await startClusterWorker(leader, {
      prefix: lab.prefix("nat"),
      model: { id: "slow-model", says: "slow replies" },
      flags: ["--name", "slow"],
      target: "127.0.0.1",
    });
    await rowOf("slow", ({ link }) => link === "tunnel");
    const got = await poll(30_000, async () => {
      const answer = await ask("slow-model");
      return answer.status === 200 ? answer : null;
    });
    expect(got.text).toContain("slow replies");
    await slow.cli("leave", "--yes");
    await slow.remove();
    relaying.kill();
    await relaying.exited;
  }, 90_000);

  test("a machine whose clock is ten minutes ahead is told so, and does not join", async () => {
    const late = startClusterWorker(leader, {
      prefix: lab.prefix("near"),
      entry: join(SUPPORT, "ahead-of-time.ts"),
      target: LEAD,
    });
    const said = await late.then(
      () => "joined",
      (error: unknown) => String(error),
    );
    expect(said).toContain("the clocks of the two machines are 10 minutes apart (the worker's is ahead)");
    expect(said).toContain("timedatectl set-ntp true");
  }, 60_000);

  test("a machine that cannot reach the leader is told where it looked", async () => {
    await lab.cable("nat", false);
    const said = await startClusterWorker(leader, { prefix: lab.prefix("far"), target: LEAD }).then(
      () => "joined",
      (error: unknown) => String(error),
    );
    await lab.cable("nat", true);
    expect(said).toContain("the leader cannot be reached; tried 10.77.0.1:8081");
    expect(said).toContain("flock status   # at the leader");
  }, 60_000);

  test("a partition takes a node out, its end brings it back by itself", async () => {
    const before = await rowOf("near", ({ state }) => state === "ready");
    await lab.cable("near", false);
    await rowOf("near", ({ state }) => state === "lost");
    const refused = await ask("near-model");
    expect(refused.status).toBe(503);
    // The others go on meanwhile.
    expect((await ask("far-model")).status).toBe(200);
    await lab.cable("near", true);
    const back = await rowOf("near", ({ state, link }) => state === "ready" && link === "lan");
    expect(back.id).toBe(before.id);
    const again = await poll(30_000, async () => {
      const answer = await ask("near-model");
      return answer.status === 200 ? answer : null;
    });
    expect(again.text).toContain("near speaks");
  }, 120_000);

  test("a model's file goes from worker to worker where one can dial the other, else through the leader, which says why", async () => {
    const rows = await Promise.all(["near", "far"].map((name) => rowOf(name, ({ state }) => state === "ready")));
    const [near_, far_] = rows.map(({ id }) => id) as [string, string];
    const move = async (model: string, to: string): Promise<string> => {
      const run = await leader.cli("model", "move", model, "--to", to, "--json");
      if (run.code !== 0) return run.stdout + run.stderr;
      return (JSON.parse(run.stdout) as { job: { progress: { message: string } } }).job.progress.message;
    };
    // From behind the NAT the other one is reached, but not the other way round.
    expect(await move("near-model", far_)).toBe("far serves near-model; its file came directly from near");
    expect(await move("far-model", near_)).toMatch(
      /^near serves far-model; its file came through the leader from far, which cannot be reached directly \(.+\)$/,
    );
    expect((await ask("near-model")).replica).toBe(`${far_}/embedded-near-model/near-model`);
    expect((await ask("far-model")).replica).toBe(`${near_}/embedded-far-model/far-model`);
  }, 120_000);
});
