import { HOP, LEAD, NEAR, type NetLab, openNetLab, type Place } from "./net-lab.ts";
import { nodeWhere, servedBy } from "./cluster-client.ts";
import {
  type ClusterLeader,
  type ClusterNode,
  type LeaderOptions,
  type NodeOptions,
  type NodeRow,
  startClusterLeader,
  startClusterWorker,
} from "./start-cluster.ts";
import { type WrongClock, wrongClock } from "./wrong-clock.ts";

/**
 * The cluster that tests share: a leader and three workers, each a process with an agent and real engines of its own.
 *
 * - `near` has the model `team` and a port of its own, at which the leader reaches it.
 * - `far` joins with nothing and is given `team`; the leader reaches it by its own connection alone. It is behind a NAT.
 * - `wide` has the model `wide-model`, and a clock that can be moved. Its way to the leader is long.
 */
export interface TestCluster extends AsyncDisposable {
  readonly leader: ClusterLeader;
  readonly workers: Record<WorkerName, ClusterNode>;
  readonly clock: WrongClock;
  /** What `near` has joined with. */
  readonly usedToken: string;
  /** As the leader lists it now. */
  readonly row: (name: WorkerName) => Promise<NodeRow>;
  /** Each worker is there and serves what it did at first, whatever was done to it. */
  readonly whole: () => Promise<void>;
}

export const WORKERS = ["near", "far", "wide"] as const;
export type WorkerName = (typeof WORKERS)[number];

/** Where a cluster runs: on one machine, or on machines of their own. */
export interface Ground extends AsyncDisposable {
  readonly leader: LeaderOptions;
  worker(name: WorkerName): Partial<NodeOptions> & { readonly target?: string };
  /** What runs a program on a further machine, that is none of the cluster's. */
  readonly guest: readonly string[];
  /** Takes a worker out of everybody's reach, or puts it back. */
  away(name: WorkerName, worker: ClusterNode, isAway: boolean): Promise<void>;
  /** Makes the way from `wide` slow, so that a file of a model takes seconds, or as it was. */
  slow(isSlow: boolean): Promise<void>;
  /** A node port as another machine sees it. */
  door(of: "leader" | "near", port: number): Promise<Door>;
  /** What its sockets can hold between an engine and a client is less than an answer that nobody reads. */
  readonly smallBuffers: boolean;
  /** A worker's own loopback, from here; undefined: it is this one's. */
  loopbackOf(name: WorkerName, port: number): Promise<string | undefined>;
}

/** `unix`: the socket through which it is reached. */
export interface Door {
  readonly url: string;
  readonly unix?: string;
}

/** Everything on loopback of this machine. */
export function oneMachine(): Ground {
  const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const listen = `127.0.0.1:${free.port}`;
  free.stop(true);
  return {
    // The same over all its starts, so that clients find it again.
    leader: { env: { FLOCK_LISTEN: listen } },
    worker: (name) => (name === "near" ? { env: { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0" } } : {}),
    // Nobody can be cut off on loopback; one that stands still is as silent.
    away: async (_, worker, isAway) => worker.freeze(isAway),
    door: async (_, port) => ({ url: `https://127.0.0.1:${port}` }),
    guest: [],
    slow: async () => undefined,
    smallBuffers: false,
    loopbackOf: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** The cable that leads to each worker, and to no other. */
const CABLES = { near: "near", far: "nat", wide: "hop" } as const;

/** Each on a machine of its own. */
export async function ownMachines(): Promise<Ground & { readonly lab: NetLab }> {
  const lab = await openNetLab();
  const ways = new Map<string, Promise<string>>();
  const way = (place: Place, host: string, port: number): Promise<string> => {
    const name = `${place} ${host} ${port}`;
    const known = ways.get(name) ?? lab.wayFrom(place, host, port);
    ways.set(name, known);
    return known;
  };
  const env = { FLOCK_LISTEN: ":8080" };
  return {
    lab,
    leader: {
      prefix: lab.prefix("lead"),
      env: { ...env, FLOCK_CLUSTER_LISTEN: "" },
      way: await way("desk", LEAD, 8080),
    },
    worker: (name) => ({ prefix: lab.prefix(name), env, target: name === "wide" ? HOP : LEAD }),
    away: (name, _, isAway) => lab.cable(CABLES[name], !isAway),
    async door(of, port) {
      const host = of === "leader" ? LEAD : NEAR;
      return { url: `https://${host}:${port}`, unix: await way(of === "leader" ? "desk" : "lead", host, port) };
    },
    guest: lab.prefix("desk"),
    slow: (isSlow) => lab.rate("hop", isSlow ? "800kbit" : null),
    smallBuffers: true,
    loopbackOf: (name, port) => way(name, "127.0.0.1", port),
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}

/** As many as an engine may have at once, since one test asks that many. */
const ENGINE = { FLOCK_ENGINE_EMBEDDED_SLOTS: "64", FLOCK_ENGINE_EMBEDDED_CONTEXT: "4096" };

export async function startTestCluster(ground: Ground): Promise<TestCluster> {
  const clock = wrongClock();
  const leader = await startClusterLeader(ground.leader);
  const join = (name: WorkerName, options: Partial<NodeOptions> = {}, token?: string): Promise<ClusterNode> => {
    const given = ground.worker(name);
    const env = { ...given.env, ...ENGINE, ...options.env };
    return startClusterWorker(leader, {
      ...given,
      ...options,
      env,
      flags: ["--name", name],
      ...(token ? { token } : {}),
    });
  };
  const { token: usedToken } = await leader.invite();
  const near = await join("near", { model: { id: "team" } }, usedToken);
  await servedBy(leader, "team", ["near"]);
  // One after the other: an empty machine is given what is the default when it comes.
  const far = await join("far");
  await servedBy(leader, "team", ["near", "far"]);
  const wide = await join("wide", { ...clock.options, model: { id: "wide-model" } });
  const workers = { near, far, wide };
  const whole = async (): Promise<void> => {
    await Promise.all([
      servedBy(leader, "team", ["near", "far"]),
      nodeWhere(
        leader,
        "wide",
        ({ state, models }) => state === "ready" && models.some(({ id }) => id === "wide-model"),
      ),
      nodeWhere(leader, "near", ({ link }) => link === "lan"),
    ]);
  };
  await whole();
  return {
    leader,
    workers,
    clock,
    usedToken,
    row: (name) => nodeWhere(leader, name, () => true),
    whole,
    async [Symbol.asyncDispose]() {
      await Promise.all(WORKERS.map((name) => workers[name].remove()));
      await leader.remove();
      clock[Symbol.dispose]();
    },
  };
}
