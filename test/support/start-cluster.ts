import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { type CliRun, collect, MAIN, poll, temporaryDirectory, testEnv } from "./start-flock.ts";

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
  /** A model of its own, that always says this, under this id; else the bundled one. */
  readonly model?: { readonly id: string; readonly says: string };
  /** Line of the output that means that it is there. */
  readonly waitFor: RegExp;
}

const START_MS = 60_000;

/** Runs `flock <args>` until its output shows what is waited for; throws with the output when it ends before. */
export async function startNode(args: readonly string[], options: NodeOptions): Promise<ClusterNode> {
  const { prefix = [], entry = MAIN, dataDir = temporaryDirectory() } = options;
  const extra: Record<string, string> = { ...options.env };
  if (options.model !== undefined) {
    mkdirSync(join(dataDir, "models"), { recursive: true });
    const { id, says } = options.model;
    await writeTinyModel(join(dataDir, `models/${id}.gguf`), { kind: "says", text: says });
    extra["FLOCK_DEFAULT_MODEL"] = id;
  }
  const env = testEnv(dataDir, extra);
  const command = [...prefix, process.execPath, entry];
  const child = Bun.spawn([...command, ...args], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const output = (): string => `${stdout.text}${stderr.text}`;
  const cli = async (...words: string[]): Promise<CliRun> => {
    const run = Bun.spawn([...command, ...words], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [out, err, code] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    return { code, stdout: out, stderr: err };
  };
  const remove = async (): Promise<void> => {
    await cli("down");
    child.kill("SIGKILL");
    await child.exited;
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  };
  let ended = false;
  void child.exited.then(() => (ended = true));
  await poll(START_MS, () => ended || options.waitFor.test(output())).catch(() => undefined);
  if (!options.waitFor.test(output())) {
    await remove();
    throw new Error(`flock ${args[0]} did not come so far:\n${output()}`);
  }
  return {
    dataDir,
    pid: child.pid,
    output,
    cli,
    async kill() {
      // Through a prefix the child is that; it hands its process over, so the number stays.
      child.kill("SIGKILL");
      await child.exited;
    },
    async terminate() {
      child.kill("SIGTERM");
      await child.exited;
    },
    remove,
  };
}

export interface ClusterLeader extends ClusterNode {
  readonly adminKey: string;
  readonly url: string;
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
}

export async function startClusterLeader(options: Partial<NodeOptions> = {}): Promise<ClusterLeader> {
  const env = { FLOCK_CLUSTER_LISTEN: "127.0.0.1:0", ...options.env };
  const node = await startNode(["up", "--no-wizard"], { waitFor: /Flock is ready/, ...options, env });
  const adminKey = readFileSync(join(node.dataDir, "admin.key"), "utf8").trim();
  const { url } = JSON.parse(readFileSync(join(node.dataDir, "leader.json"), "utf8")) as { url: string };
  const json = async (...args: string[]): Promise<unknown> => {
    const run = await node.cli(...args, "--json");
    if (run.code !== 0) throw new Error(`${args.join(" ")}: ${run.stdout}${run.stderr}`);
    return JSON.parse(run.stdout);
  };
  return {
    ...node,
    adminKey,
    url,
    invite: async () => (await json("token", "create", "--node")) as Awaited<ReturnType<ClusterLeader["invite"]>>,
    nodes: async () => ((await json("node", "ls")) as { nodes: NodeRow[] }).nodes,
  };
}

/** Joins with a fresh token, and runs as a worker. */
export async function startClusterWorker(
  leader: ClusterLeader,
  options: Partial<NodeOptions> & { readonly target?: string; readonly flags?: readonly string[] } = {},
): Promise<ClusterNode> {
  const { token, command } = await leader.invite();
  const target = options.target === undefined ? /'([^']+)'/.exec(command)?.[1] : `${options.target}?token=${token}`;
  return await startNode(["join", target ?? "", ...(options.flags ?? [])], { waitFor: /is a worker of/, ...options });
}
