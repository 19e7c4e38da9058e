import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { type CliRun, poll, runFlock, spawnFlock, temporaryDirectory } from "./start-flock.ts";

/** A Flock process of a cluster under test. */
export interface ClusterNode {
  readonly dataDir: string;
  readonly pid: number;
  readonly output: () => string;
  cli(...args: string[]): Promise<CliRun>;
  /** SIGKILL to this process; its agent and engines live on. */
  kill(): Promise<void>;
  /** As a service manager does: running answers end first. */
  terminate(): Promise<void>;
  /** Without an end: it stays as it is and answers nobody, until it goes on. */
  freeze(frozen: boolean): void;
  /** Started again in the same place, not waited for. */
  again(): ClusterNode;
  /** Stops all of it and removes its directory. */
  remove(): Promise<void>;
}

export interface NodeOptions {
  /** What runs it elsewhere: a network namespace. */
  readonly prefix?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Kept by the caller. */
  readonly dataDir?: string;
  /** Of the program; else `src/main.ts`. */
  readonly entry?: string;
  /** A model of its own under this id, that always says this, or noise without an end; else the bundled one. */
  readonly model?: { readonly id: string; readonly says?: string };
  /** Line of the output that means that it is there. */
  readonly waitFor: RegExp;
}

const START_MS = 60_000;
const NOISE = { kind: "random", seed: 7 } as const;

/** Runs `flock <args>` until its output shows what is waited for; throws with the output when it ends before. */
export async function startNode(args: readonly string[], options: NodeOptions): Promise<ClusterNode> {
  const { dataDir = temporaryDirectory(), model, prefix, entry } = options;
  const env: Record<string, string> = { ...options.env };
  if (model !== undefined) {
    mkdirSync(join(dataDir, "models"), { recursive: true });
    const weights = model.says === undefined ? NOISE : ({ kind: "says", text: model.says } as const);
    await writeTinyModel(join(dataDir, `models/${model.id}.gguf`), weights, { contextTokens: 4096 });
    env["FLOCK_DEFAULT_MODEL"] = model.id;
  }
  const place = { dataDir, env, ...(prefix ? { prefix } : {}), ...(entry ? { entry } : {}) };
  const remove = (): void => {
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  };
  const { node, ended } = spawnNode(args, place, remove);
  await poll(START_MS, () => ended() || options.waitFor.test(node.output())).catch(() => undefined);
  if (options.waitFor.test(node.output())) return node;
  await node.remove();
  throw new Error(`flock ${args[0]} did not come so far:\n${node.output()}`);
}

type Place = Parameters<typeof runFlock>[1];

function spawnNode(args: readonly string[], place: Place, removed: () => void) {
  const { child, stdout, stderr } = spawnFlock(args, place);
  const signal = async (name: "SIGKILL" | "SIGTERM"): Promise<void> => {
    // Through a prefix the child is that; it hands its process over, so the number stays.
    child.kill(name);
    await child.exited;
  };
  const cli = (...words: string[]): Promise<CliRun> => runFlock(words, place);
  const node: ClusterNode = {
    dataDir: place.dataDir,
    pid: child.pid,
    output: () => `${stdout()}${stderr()}`,
    cli,
    kill: () => signal("SIGKILL"),
    terminate: () => signal("SIGTERM"),
    freeze: (frozen) => child.kill(frozen ? "SIGSTOP" : "SIGCONT"),
    again: () => spawnNode(["up", "--no-wizard"], place, removed).node,
    async remove() {
      child.kill("SIGCONT");
      await cli("down");
      await signal("SIGKILL");
      removed();
    },
  };
  return { node, ended: () => child.exitCode !== null || child.signalCode !== null };
}

export interface ClusterLeader extends ClusterNode {
  readonly adminKey: string;
  readonly url: string;
  /** The Unix socket that leads to its clients' port, where that port is out of this process' reach. */
  readonly way: string | undefined;
  /** With the admin key, each time on a connection of its own; whoever leads now answers. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Of the process that leads now. */
  leads(): number;
  /** A new join token, with the line for the other machine. */
  invite(): Promise<{ readonly token: string; readonly command: string; readonly addresses: readonly string[] }>;
  nodes(): Promise<readonly NodeRow[]>;
}

export interface NodeRow {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly link: string | null;
  readonly epoch: number;
  readonly addresses: readonly string[];
  readonly engines: readonly { readonly id: string; readonly state: string; readonly restarts: number }[];
  readonly models: readonly { readonly id: string; readonly busy: number }[];
}

export interface LeaderOptions extends Partial<NodeOptions> {
  readonly way?: string;
}

export async function startClusterLeader(options: LeaderOptions = {}): Promise<ClusterLeader> {
  const env = { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0", ...options.env };
  const node = await startNode(["up", "--no-wizard"], { waitFor: /Flock is ready/, ...options, env });
  const adminKey = readFileSync(join(node.dataDir, "admin.key"), "utf8").trim();
  const told = (): { pid: number; url: string } =>
    JSON.parse(readFileSync(join(node.dataDir, "leader.json"), "utf8")) as { pid: number; url: string };
  const { url } = told();
  const way = options.way === undefined ? {} : { unix: options.way };
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${adminKey}`);
    // A leader that was started again may have another port.
    return await fetch(`${told().url}${path}`, { ...init, headers, keepalive: false, ...way });
  };
  const json = async (path: string, init?: RequestInit): Promise<unknown> => {
    const answer = await ask(path, init);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return await answer.json();
  };
  return {
    ...node,
    adminKey,
    way: options.way,
    url,
    fetch: ask,
    leads: () => told().pid,
    invite: async () =>
      (await json("/admin/v1/nodes/join-tokens", { method: "POST" })) as Awaited<ReturnType<ClusterLeader["invite"]>>,
    nodes: async () => ((await json("/admin/v1/nodes")) as { nodes: NodeRow[] }).nodes,
  };
}

export interface WorkerOptions extends Partial<NodeOptions> {
  /** Host of the leader; else as the leader's own line says. */
  readonly target?: string;
  readonly flags?: readonly string[];
  /** Else a fresh one. */
  readonly token?: string;
}

/** Joins, and runs as a worker. */
export async function startClusterWorker(leader: ClusterLeader, options: WorkerOptions = {}): Promise<ClusterNode> {
  const { token, command } = await leader.invite();
  const host = options.target ?? /'([^?']+)/.exec(command)?.[1];
  const args = ["join", `${host}?token=${options.token ?? token}`, ...(options.flags ?? [])];
  return await startNode(args, { waitFor: /is a worker of/, ...options });
}
