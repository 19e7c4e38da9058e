import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import {
  type ClusterLeader,
  type ClusterNode,
  type NodeRow,
  startClusterLeader,
  startClusterWorker,
} from "../support/start-cluster.ts";
import { poll, temporaryDirectory } from "../support/start-flock.ts";
import { describePostgres, startPostgres, type TestPostgres } from "../support/start-postgres.ts";

const WAIT_MS = 60_000;

describePostgres("nodes of two leaders on one PostgreSQL", () => {
  const dirs = [temporaryDirectory(), temporaryDirectory()] as const;
  let postgres: TestPostgres;
  let one: ClusterLeader;
  let other: ClusterLeader;
  let worker: ClusterNode;

  beforeAll(async () => {
    postgres = await startPostgres();
    await postgres.admin`create database flock`;
    const env = { FLOCK_STORAGE_TYPE: "postgres", FLOCK_STORAGE_DSN: postgres.dsn("flock") };
    one = await startClusterLeader({ dataDir: dirs[0], env });
    // The first one's key is in the database.
    await Bun.write(`${dirs[1]}/admin.key`, readFileSync(`${dirs[0]}/admin.key`));
    other = await startClusterLeader({ dataDir: dirs[1], env });
    worker = await startClusterWorker(other, {
      model: { id: "theirs", says: "served elsewhere" },
      flags: ["--name", "box"],
    });
    await stateAt(other, "ready");
  }, 180_000);
  afterAll(async () => {
    await worker?.remove();
    await one?.remove();
    await other?.remove();
    await postgres?.remove();
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  async function stateAt(leader: ClusterLeader, state: string): Promise<NodeRow> {
    return await poll(WAIT_MS, async () =>
      (await leader.nodes()).find((row) => row.name === "box" && row.state === state),
    );
  }

  /** Status, and where it was answered. */
  async function chat({ url, adminKey }: ClusterLeader): Promise<string> {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${adminKey}` },
      body: JSON.stringify({ model: "theirs", messages: [{ role: "user", content: "hi" }] }),
    });
    await answer.text();
    return `${answer.status} ${answer.headers.get("x-flock-replica")?.split("/")[0] ?? "nowhere"}`;
  }

  test("each shows its own machine, its workers, and the other's workers as such", async () => {
    expect((await stateAt(one, "elsewhere")).role).toBe("worker");
    for (const leader of [one, other]) {
      const nodes = await leader.nodes();
      expect(nodes.map(({ role }) => role)).toEqual(["leader", "worker"]);
      expect(nodes[0]?.id).toBe("local");
    }
    const { id } = await stateAt(other, "ready");
    await poll(WAIT_MS, async () => (await chat(other)) === `200 ${id}`);
    // The worker beats to one leader: the other cannot reach it.
    expect(await chat(one)).toBe("404 nowhere");
  }, 120_000);

  test("a leader that drains its own machine drains nobody else's", async () => {
    expect((await one.cli("node", "drain", "local")).code).toBe(0);
    await poll(WAIT_MS, async () => (await one.nodes())[0]?.state === "drained");
    // It looks at the database for this.
    expect((await other.nodes())[0]?.state).toBe("ready");
    expect((await one.cli("node", "undrain", "local")).code).toBe(0);
  }, 120_000);

  test("a node is drained and used again through whichever leader, and each shows it", async () => {
    const drained = await one.cli("node", "drain", "box");
    expect([drained.code, drained.stderr]).toEqual([0, expect.stringContaining("box is drained")]);
    await stateAt(other, "drained");
    // Its model moved to the machine of the leader that knows the node.
    expect(await chat(other)).toBe("200 local");
    expect((await one.cli("node", "ls")).stdout).toContain("elsewhere, drained");
    // Draining a drained node is nothing new at its own leader either.
    expect((await other.cli("node", "drain", "box")).code).toBe(0);
    expect((await one.cli("node", "undrain", "box")).code).toBe(0);
    await stateAt(other, "ready");
  }, 120_000);

  test("a node that is removed through another leader is refused at its own at once, and ends", async () => {
    expect((await one.cli("node", "remove", "box", "--yes")).code).toBe(0);
    await poll(WAIT_MS, () => /was removed from the cluster/.test(worker.output()));
    await poll(WAIT_MS, async () => (await other.nodes()).every(({ name }) => name !== "box"));
    expect(await chat(other)).toBe("200 local");
    expect((await one.nodes()).length).toBe(1);
  }, 120_000);
});
