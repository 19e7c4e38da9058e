import { createServer } from "node:net";
import type { AddressInfo } from "node:net";

export interface SpawnedServer {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly deadlineMs?: number;
}

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 20_000;

/** Starts a server and waits until its port takes connections. Throws with the end of its output when it does not. */
export async function spawnServer(
  command: readonly string[],
  port: number,
  options: SpawnOptions = {},
): Promise<SpawnedServer> {
  const child = Bun.spawn([...command], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env ?? process.env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const piece of stream) output = (output + decoder.decode(piece, { stream: true })).slice(-4000);
  };
  void collect(child.stdout);
  void collect(child.stderr);
  const deadline = performance.now() + (options.deadlineMs ?? START_DEADLINE_MS);
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null) throw new Error(`${command.join(" ")} ended with ${child.exitCode}:\n${output}`);
    if (performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`${command.join(" ")} does not listen on ${port}:\n${output}`);
    }
    await Bun.sleep(20);
  }
  return {
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
      await child.exited;
      clearTimeout(killer);
    },
  };
}

export async function takesConnections(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
