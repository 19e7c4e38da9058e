import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ROOT = join(import.meta.dir, "../..");
export const MAIN = join(ROOT, "src/main.ts");

export interface FlockOptions {
  /** Further environment: settings by their variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** An existing data directory, kept by the caller. */
  readonly dataDir?: string;
  /** Do not wait for a model. */
  readonly waitFor?: "ready" | "listening";
}

export interface Flock {
  readonly url: string;
  readonly dataDir: string;
  readonly adminKey: string;
  readonly pid: number;
  /** What it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** With the admin key. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Runs a CLI command against it. */
  cli(...args: string[]): Promise<CliRun>;
  /** SIGKILL to the leader only; its agent and engines live on. */
  kill(): Promise<void>;
  /** To the leader only; gives its exit code. */
  signal(name: "SIGINT" | "SIGTERM" | "SIGHUP"): Promise<number>;
  /** Stops everything, and removes the data directory unless the caller gave it. */
  stop(): Promise<void>;
}

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Ends what hangs; how long a start may take is said by the tests that measure it. */
const START_DEADLINE_MS = 60_000;

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), "flock-test-"));
}

/** One thread, no GPU, a free port on loopback, nothing of this machine's own settings. */
export function testEnv(dataDir: string, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const clean = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(FLOCK_|VLLM_|OPENAI_|ANTHROPIC_|npm_)/.test(entry[0]),
  );
  return {
    ...Object.fromEntries(clean),
    BUN_CONFIG_MAX_HTTP_REQUESTS: "65336",
    NO_COLOR: "1",
    FLOCK_DATA_DIR: dataDir,
    FLOCK_LISTEN: "127.0.0.1:0",
    FLOCK_ENGINE_EMBEDDED_THREADS: "1",
    FLOCK_ENGINE_EMBEDDED_GPU: "off",
    // What runs on this machine is not the test's.
    FLOCK_OLLAMA_ENDPOINT: "off",
    FLOCK_VLLM_ENDPOINT: "off",
    FLOCK_MLX_ENDPOINT: "off",
    FLOCK_LLAMACPP_ENDPOINT: "off",
    ...extra,
  };
}

/** How a Flock process is started. */
export interface SpawnOptions {
  readonly dataDir: string;
  /** Further environment: settings by their variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** What runs it elsewhere: a network namespace. */
  readonly prefix?: readonly string[];
  /** Of the program; else `src/main.ts`. */
  readonly entry?: string;
}

/** A process with what it has printed so far. */
export interface FlockProcess {
  readonly child: Bun.Subprocess;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

function spawnPiped(args: readonly string[], { dataDir, env, prefix = [], entry = MAIN }: SpawnOptions) {
  const command = [...prefix, process.execPath, entry, ...args];
  return Bun.spawn(command, { env: testEnv(dataDir, env), stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

/** Runs `flock <args>` and goes on. */
export function spawnFlock(args: readonly string[], options: SpawnOptions): FlockProcess {
  const child = spawnPiped(args, options);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  return { child, stdout: () => stdout.text, stderr: () => stderr.text };
}

/** Runs a command to its end, as a person would. */
export async function runFlock(args: readonly string[], options: SpawnOptions): Promise<CliRun> {
  const child = spawnPiped(args, options);
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

export async function runFlockCli(
  dataDir: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliRun> {
  return await runFlock(args, { dataDir, env });
}

/** The real process on a temporary directory and a free port. */
export async function startFlock(options: FlockOptions = {}): Promise<Flock> {
  const dataDir = options.dataDir ?? temporaryDirectory();
  const { child, stdout, stderr } = spawnFlock(["up", "--no-wizard"], { dataDir, env: options.env ?? {} });
  let exitCode: number | null = null;
  void child.exited.then((code) => {
    exitCode = code;
  });
  const waitUntilReady = async (): Promise<string> => {
    const listening = await poll(START_DEADLINE_MS, () => {
      if (exitCode !== null) throw new Error(`flock ended with ${exitCode}`);
      return leaderUrl(dataDir, child.pid);
    });
    // Whoever connects before the leader is built waits: from the first answer on the admin key is there.
    await fetch(`${listening}/healthz`);
    if (options.waitFor === "listening") return listening;
    await poll(START_DEADLINE_MS, async () => {
      if (exitCode !== null) throw new Error(`flock ended with ${exitCode}`);
      return (await fetch(`${listening}/readyz`)).ok;
    });
    return listening;
  };
  const url = await waitUntilReady().catch(async (cause: unknown) => {
    child.kill();
    await child.exited;
    throw new Error(`flock did not start:\n${stdout()}\n${stderr()}`, { cause });
  });
  const keyless = options.env?.["FLOCK_REQUIRE_KEYS"] === "false";
  const adminKey = keyless ? "" : readFileSync(join(dataDir, "admin.key"), "utf8").trim();
  const down = async (): Promise<void> => {
    await runFlockCli(dataDir, ["down"], options.env);
    await child.exited;
  };
  return {
    url,
    dataDir,
    adminKey,
    pid: child.pid,
    stdout,
    stderr,
    fetch(path, init = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has("authorization") && adminKey !== "") headers.set("authorization", `Bearer ${adminKey}`);
      return fetch(`${url}${path}`, { ...init, headers });
    },
    cli: (...args) => runFlockCli(dataDir, args, options.env),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
    async signal(name) {
      child.kill(name);
      return await child.exited;
    },
    async stop() {
      await down();
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Waits until `look` gives something truthy; its throw ends the wait. */
export async function poll<T>(
  deadlineMs: number,
  look: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined | "" | 0>> {
  const deadline = performance.now() + deadlineMs;
  while (performance.now() < deadline) {
    const found = await look();
    if (found) return found as Exclude<T, false | null | undefined | "" | 0>;
    await Bun.sleep(10);
  }
  throw new Error(`nothing came within ${deadlineMs} ms`);
}

function leaderUrl(dataDir: string, pid: number): string | null {
  try {
    const leader = JSON.parse(readFileSync(join(dataDir, "leader.json"), "utf8")) as { pid: number; url: string };
    return leader.pid === pid ? leader.url : null;
  } catch {
    return null;
  }
}

export function collect(stream: ReadableStream<Uint8Array>): { text: string } {
  const out = { text: "" };
  void (async () => {
    const decoder = new TextDecoder();
    for await (const piece of stream) out.text += decoder.decode(piece, { stream: true });
  })();
  return out;
}

/** The processes of a data directory besides the leader, by what they wrote down of themselves. */
export function processesOf(dataDir: string): { readonly agent: number | null; readonly engines: readonly number[] } {
  const pidIn = (path: string): number | null => {
    try {
      return (JSON.parse(readFileSync(path, "utf8")) as { pid: number }).pid;
    } catch {
      return null;
    }
  };
  const folder = join(dataDir, "engines");
  const records = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
  const engines = records.map((name) => pidIn(join(folder, name))).filter((pid) => pid !== null);
  return { agent: pidIn(join(dataDir, "agent.json")), engines };
}
