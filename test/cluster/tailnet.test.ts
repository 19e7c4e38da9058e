import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openNetLab, LEAD, type NetLab } from "../support/net-lab.ts";
import {
  type ClusterLeader,
  type ClusterNode,
  type NodeRow,
  startClusterLeader,
  startClusterWorker,
} from "../support/start-cluster.ts";
import { poll } from "../support/start-flock.ts";
import { type Daemon, openTailnet, type Tailnet, whyNoTailnet } from "../support/tailnet.ts";

const why = await whyNoTailnet();
const MESH = /^100\.64\.0\.\d+:\d+$/;

describe.skipIf(why !== null)(`a tailnet of real tailscaleds${why === null ? "" : ` (${why})`}`, () => {
  let lab: NetLab;
  let tailnet: Tailnet;
  let atLead: Daemon;
  let atFar: Daemon;
  let leader: ClusterLeader;
  let far: ClusterNode;

  const env = (daemon: Daemon, more: Record<string, string> = {}): Record<string, string> => ({
    PATH: `${tailnet.programs}:${process.env["PATH"] ?? ""}`,
    FLOCK_MESH_BACKEND: "tailscale",
    FLOCK_MESH_SOCKET: daemon.socket,
    FLOCK_MESH_LOGIN_SERVER: tailnet.loginServer,
    FLOCK_LISTEN: ":8080",
    FLOCK_CLUSTER_LISTEN: "",
    ...more,
  });

  beforeAll(async () => {
    lab = await openNetLab();
    tailnet = await openTailnet(lab);
    [atLead, atFar] = [tailnet.daemon("lead"), tailnet.daemon("far")];
    await atFar.start();
    const key = await tailnet.newKey();
    leader = await startClusterLeader({
      prefix: lab.prefix("lead"),
      env: env(atLead, { FLOCK_MESH_AUTH_KEY: key }),
    });
  }, 240_000);

  afterAll(async () => {
    await far?.remove();
    await leader?.remove();
    await tailnet?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  }, 120_000);

  async function rowOf(name: string, is: (row: NodeRow) => boolean): Promise<NodeRow> {
    return await poll(120_000, async () => (await leader.nodes()).find((row) => row.name === name && is(row)));
  }

  async function chat(): Promise<number> {
    const body = JSON.stringify({ model: "far-model", messages: [{ role: "user", content: "hi" }] });
    const url = `${leader.url.replace(/\/\/[^:]+/, "//127.0.0.1")}/v1/chat/completions`;
    const ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "20", url, "-d", body];
    const run = Bun.spawn([...lab.prefix("lead"), ...ask, "-H", `authorization: Bearer ${leader.adminKey}`], {
      stdout: "pipe",
    });
    return Number(await new Response(run.stdout).text());
  }

  test("a leader whose tailscaled starts later says so, then logs in with the key; its addresses there come first", async () => {
    await poll(60_000, () =>
      /tailscaled does not answer at [^"]*","mend":"sudo systemctl start tailscaled/.test(leader.output()),
    );
    await atLead.start();
    const invited = await poll(120_000, async () => {
      const { addresses } = await leader.invite();
      return MESH.test(addresses[0] ?? "") ? addresses : null;
    });
    expect(invited).toContain(`${LEAD}:8081`);
    expect(await atLead.cli("status")).toContain("100.64.0.1");
  }, 150_000);

  test("a machine that is not logged in, or has a wrong key, is told what to do; nothing joins", async () => {
    const [mesh = ""] = (await leader.invite()).addresses;
    const target = mesh.replace(/:\d+$/, "");
    const join = (more: Record<string, string>): Promise<unknown> =>
      startClusterWorker(leader, { prefix: lab.prefix("far"), env: env(atFar, more), target }).then(
        () => "joined",
        String,
      );
    expect(await join({})).toContain(
      `this machine is not logged in to a tailnet\n  → sudo tailscale up --login-server=${tailnet.loginServer}`,
    );
    const wrong = await join({ FLOCK_MESH_AUTH_KEY: "hskey-auth-wrong-0123456789" });
    expect(wrong).toContain("tailscale up failed");
    expect(wrong).not.toContain("0123456789");
    expect(await join({ FLOCK_MESH_SOCKET: "/nowhere/d.sock" })).toContain(
      "tailscaled does not answer at /nowhere/d.sock",
    );
  }, 240_000);

  test("a machine behind a NAT joins with a key over the tailnet alone, is linked directly there, and serves", async () => {
    const [mesh = ""] = (await leader.invite()).addresses;
    far = await startClusterWorker(leader, {
      prefix: lab.prefix("far"),
      env: env(atFar, { FLOCK_MESH_AUTH_KEY: await tailnet.newKey() }),
      model: { id: "far-model", says: "far answers" },
      flags: ["--name", "far"],
      target: mesh.replace(/:\d+$/, ""),
    });
    // Without the tailnet the leader could not call it: see namespaces.test.ts.
    await rowOf("far", ({ state, link }) => state === "ready" && link === "lan");
    await poll(60_000, async () => (await chat()) === 200);
  }, 240_000);

  test("a tailscaled that starts anew costs an interruption, nothing else", async () => {
    const before = await rowOf("far", () => true);
    await atFar.stop();
    await atFar.start();
    const back = await rowOf("far", ({ state, link }) => state === "ready" && link === "lan");
    expect(back.id).toBe(before.id);
    await poll(60_000, async () => (await chat()) === 200);
  }, 240_000);

  test("a machine that somebody took out of the tailnet stays out, and is told how it comes back", async () => {
    await atFar.cli("down");
    const [mesh = ""] = (await leader.invite()).addresses;
    const said = await startClusterWorker(leader, {
      prefix: lab.prefix("far"),
      env: env(atFar, { FLOCK_MESH_AUTH_KEY: "unused" }),
      target: mesh.replace(/:\d+$/, ""),
    }).then(() => "joined", String);
    expect(said).toContain("tailscale was stopped on this machine\n  → sudo tailscale up");
    await atFar.cli("up", `--login-server=${tailnet.loginServer}`);
    await rowOf("far", ({ state }) => state === "ready");
  }, 240_000);

  test("a leader in another tailnet than the one that is wanted says so, and goes on without", async () => {
    const other = await startClusterLeader({
      prefix: lab.prefix("lead"),
      env: env(atLead, {
        FLOCK_MESH_TAILNET_NAME: "other.example",
        FLOCK_LISTEN: ":8090",
        FLOCK_CLUSTER_LISTEN: ":8091",
      }),
    });
    const said = await poll(60_000, () => /mesh.tailnet_name is other.example/.test(other.output()) && other.output());
    expect(said).toContain("tailscale switch --list");
    await other.remove();
  }, 120_000);
});
