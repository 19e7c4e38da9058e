import { copyFileSync, truncateSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type ClusterLeader,
  type ClusterNode,
  startClusterLeader,
  startClusterWorker,
} from "../support/start-cluster.ts";
import { poll, processesOf } from "../support/start-flock.ts";

/** Long enough that some run whenever something is switched. */
const LONG = Array.from({ length: 300 }, (_, at) => `w${at}`).join(" ");

let leader: ClusterLeader;
/** Has its own port, and a model as its default one. */
let one: ClusterNode;
/** Has its own port, and nothing of its own. */
let two: ClusterNode;

beforeAll(async () => {
  leader = await startClusterLeader();
  one = await startClusterWorker(leader, {
    env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
    model: { id: "team", says: LONG },
    flags: ["--name", "one"],
  });
  two = await startClusterWorker(leader, {
    env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" },
    flags: ["--name", "two", "--no-assign"],
  });
  await at("team", ["one"]);
}, 90_000);

afterAll(async () => {
  await Promise.all([one?.remove(), two?.remove()]);
  await leader?.remove();
}, 60_000);

interface Shown {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly models: readonly { readonly id: string }[];
}

async function where(model: string): Promise<string[]> {
  const nodes = (await leader.nodes()) as unknown as readonly Shown[];
  return nodes.filter(({ models }) => models.some(({ id }) => id === model)).map(({ name }) => name);
}

async function at(model: string, names: readonly string[]): Promise<void> {
  await poll(60_000, async () => (await where(model)).join() === names.join());
}

/** Streams without a pause, until they are stopped. */
interface Load {
  /** How each has ended so far. */
  readonly seen: readonly string[];
  readonly stop: () => Promise<readonly string[]>;
}

function streams(lanes: number): Load {
  const over = new AbortController();
  const seen: string[] = [];
  const one = async (): Promise<string> => {
    const answer = await fetch(`${leader.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${leader.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "team", stream: true, messages: [{ role: "user", content: "hi" }] }),
      keepalive: false,
    });
    const text = await answer.text();
    const whole = text.includes(" w299") && text.trimEnd().endsWith("data: [DONE]") && !text.includes('"error"');
    return whole ? (answer.headers.get("x-flock-replica") ?? "") : `${answer.status} ${text.slice(-300)}`;
  };
  const lane = async (): Promise<void> => {
    while (!over.signal.aborted) seen.push(await one().catch((cause: unknown) => `broken: ${String(cause)}`));
  };
  const running = Array.from({ length: lanes }, lane);
  const stop = async (): Promise<readonly string[]> => {
    over.abort();
    await Promise.all(running);
    return seen;
  };
  return { seen, stop };
}

test("a model moves under a load of streams: none fails, its file goes directly, and the old node has it no more", async () => {
  const load = streams(3);
  const moved = await leader.cli("model", "move", "team", "--to", "two", "--json");
  const two = (await leader.nodes()).find(({ name }) => name === "two");
  await poll(20_000, () => load.seen.some((replica) => replica.startsWith(`${two?.id}/`)));
  const seen = await load.stop();
  expect([moved.code, moved.stderr]).toEqual([0, ""]);
  const { job } = JSON.parse(moved.stdout) as { job: { state: string; progress: { message: string } } };
  expect([job.state, job.progress.message]).toEqual(["succeeded", "two serves team; its file came directly from one"]);
  expect(seen.filter((replica) => !replica.endsWith("/team"))).toEqual([]);
  expect(new Set(seen).size).toBe(2);
  await at("team", ["two"]);
  const page = (await leader.cli("node", "show", "one")).stdout;
  expect(page).toContain("new requests for team go to two");
  expect(page).toContain("team was unloaded once its answers had ended; its memory is free");
  expect((await leader.cli("audit")).stdout).toMatch(/model\.move +team/);
}, 120_000);

test("it moves back to the node whose own model it is, and its file need not travel", async () => {
  const { stop } = streams(2);
  const moved = await leader.cli("model", "move", "team", "--to", "one", "--from", "two");
  const seen = await stop();
  expect([moved.code, moved.stdout]).toEqual([0, expect.stringContaining("model.move is done")]);
  expect(seen.filter((replica) => !replica.endsWith("/team"))).toEqual([]);
  await at("team", ["one"]);
}, 120_000);

test("a model moves to the leader's own machine, which had no file of it, and away again", async () => {
  const { stop } = streams(2);
  const here = await leader.cli("model", "move", "team", "--to", "local", "--json");
  expect([here.code, here.stdout]).toEqual([0, expect.stringContaining("its file came from one")]);
  await at("team", [hostname()]);
  const away = await leader.cli("model", "move", "team", "--to", "one");
  const seen = await stop();
  expect(away.code).toBe(0);
  expect(seen.filter((replica) => !replica.endsWith("/team"))).toEqual([]);
  await at("team", ["one"]);
}, 120_000);

test("what cannot be moved is refused at once, with names that were probably meant and the command that helps", async () => {
  const said = async (...args: string[]): Promise<string> => {
    const run = await leader.cli("model", "move", ...args);
    expect(run.code).not.toBe(0);
    return run.stderr;
  };
  expect(await said("taem", "--to", "two")).toMatch(/no model taem.*team/s);
  expect(await said("team", "--to", "tow")).toMatch(/no node "tow"; did you mean two/);
  expect(await said("team", "--to", "one")).toContain("one serves team already");
  expect(await said("team")).toContain("needs --to <node>");
  expect(await said("team", "--to", "two", "--from", hostname())).toMatch(/does not serve team; one does/);
  await at("team", ["one"]);
}, 60_000);

test("a node that cannot hold the model is told with numbers by the job, and nothing has changed", async () => {
  const [whole, copy] = [one, leader].map(({ dataDir }) => join(dataDir, "models/team.gguf")) as [string, string];
  // Whoever looks at this machine's file first takes the model for that large.
  truncateSync(copy, 2 ** 41);
  const refused = await leader.cli("model", "move", "team", "--to", "two");
  copyFileSync(whole, copy);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(
    /model\.move failed: two has [\d.]+ GiB free, the model takes 2355 GiB; one serves team as before/,
  );
  await at("team", ["one"]);
}, 60_000);

test("a drain unloads what it has moved, under load; undrain loads the machine's own model again, others stay moved", async () => {
  const { stop } = streams(2);
  const drained = await leader.cli("node", "drain", "one");
  expect([drained.code, drained.stdout]).toEqual([0, expect.stringContaining("node.drain is done")]);
  // `two` joined with --no-assign.
  await at("team", [hostname()]);
  const page = (await leader.cli("node", "show", "one")).stdout;
  expect(page).toContain(`team moved to ${hostname()}`);
  expect(page).toContain("team was unloaded once its answers had ended; its memory is free");
  expect(page).toMatch(/Models\nNone is loaded/);
  expect((await leader.cli("node", "undrain", "one")).code).toBe(0);
  await at("team", [hostname(), "one"]);

  // One copy too many: it is let go. Then it is put where nobody's configuration wants it.
  for (const way of [
    ["--to", "one", "--from", "local"],
    ["--to", "two"],
  ]) {
    expect((await leader.cli("model", "move", "team", ...way)).code).toBe(0);
  }
  await at("team", ["two"]);
  expect((await leader.cli("node", "drain", "two")).code).toBe(0);
  expect((await leader.cli("node", "undrain", "two")).code).toBe(0);
  const seen = await stop();
  expect(seen.filter((replica) => !replica.endsWith("/team"))).toEqual([]);
  const now = await where("team");
  expect([now.length, now.includes("two")]).toEqual([1, false]);
}, 120_000);

test("a restart of the leader in the middle of a move goes on with it, and cuts no answer", async () => {
  const [from = ""] = await where("team");
  const to = from === "one" ? hostname() : "one";
  const { stop } = streams(3);
  const moving = await leader.cli("model", "move", "team", "--to", to, "--no-wait", "--json");
  const { id } = (JSON.parse(moving.stdout) as { job: { id: string } }).job;
  const begun = await leader.fetch(`/admin/v1/jobs/${id}/events`);
  const restarted = await leader.cli("restart");
  expect([restarted.code, restarted.stderr]).toEqual([0, ""]);
  // Whoever follows it is let go, rather than hear nothing and hold up the old process, which the move waits for.
  expect(await begun.text()).not.toContain("event: end");
  const followed = await leader.cli("job", "watch", id);
  expect(followed.code === 0 ? "" : followed.stderr).toBe("");
  await at("team", [to]);
  const seen = await stop();
  expect(seen.filter((replica) => !replica.endsWith("/team"))).toEqual([]);
}, 120_000);

test("a node that is lost while it gets the model: the job fails with words, and the old one serves on", async () => {
  const [from = ""] = await where("team");
  const { stop } = streams(2);
  const { agent } = processesOf(two.dataDir);
  if (agent === null) throw new Error("no agent");
  // It takes the order to load, and does not come to answer it.
  process.kill(agent, "SIGSTOP");
  const moving = await leader.cli("model", "move", "team", "--to", "two", "--no-wait", "--json");
  const { id } = (JSON.parse(moving.stdout) as { job: { id: string } }).job;
  await poll(60_000, async () => (await leader.cli("job", "show", id)).stdout.includes("loading it on two"));
  await two.kill();
  await poll(60_000, async () => /State +failed/.test((await leader.cli("job", "show", id)).stdout));
  process.kill(agent, "SIGCONT");
  const seen = await stop();
  expect(seen.filter((replica) => !replica.endsWith("/team"))).toEqual([]);
  const page = (await leader.cli("job", "show", id)).stdout;
  expect(page).toContain(`; ${from} serves team as before`);
  expect(await where("team")).toEqual([from]);
}, 120_000);
