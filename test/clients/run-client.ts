import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RealClient, Service } from "./real-client.ts";

export const SECRET_WORD = "pelican";
const FILE = "notes.txt";
const DEADLINE_MS = 180_000;

export interface ClientRun {
  readonly code: number | null;
  readonly output: string;
  readonly seconds: number;
}

/** The environment of a fresh account: nothing of this machine's, nowhere to call but loopback. */
function cleanEnvironment(home: string, work: string): Record<string, string> {
  const nowhere = "http://127.0.0.1:9";
  return {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: home,
    XDG_CONFIG_HOME: join(home, ".config"),
    XDG_DATA_HOME: join(home, ".local/share"),
    XDG_CACHE_HOME: join(home, ".cache"),
    XDG_STATE_HOME: join(home, ".local/state"),
    TMPDIR: join(home, "tmp"),
    PWD: work,
    TERM: "dumb",
    NO_COLOR: "1",
    CI: "1",
    DO_NOT_TRACK: "1",
    HTTP_PROXY: nowhere,
    HTTPS_PROXY: nowhere,
    NO_PROXY: "127.0.0.1,localhost",
  };
}

/** Runs one client in a room of its own, which is gone afterwards with all that it started there. */
export async function runClient(client: RealClient, service: Service): Promise<ClientRun> {
  const room = mkdtempSync(join(tmpdir(), "flock-client-"));
  const [home, work] = [join(room, "home"), join(room, "work")];
  for (const folder of [home, work, join(home, "tmp")]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(work, FILE), `the secret word is ${SECRET_WORD}\n`);
  for (const [path, text] of Object.entries(client.files?.(service) ?? {})) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), text);
  }
  const prompt = `Read the file ${join(work, FILE)} and tell me the secret word that stands in it.`;
  const env = { ...cleanEnvironment(home, work), ...client.env?.(service) };
  const started = performance.now();
  let output = "";
  let code: number | null = 0;
  for (const command of client.commands(service, prompt, { home, work })) {
    const ended = await run(command, work, env);
    output += ended.output;
    code = ended.code;
    if (code !== 0) break;
  }
  endLeftovers(room);
  rmSync(room, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  return { code, output, seconds: (performance.now() - started) / 1000 };
}

async function run(
  command: readonly string[],
  cwd: string,
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const child = Bun.spawn([...command], {
    cwd,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: DEADLINE_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const piece of stream) output += decoder.decode(piece, { stream: true });
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  const code = await child.exited;
  // A daemon that it leaves behind may hold its output open.
  await Promise.race([reading, Bun.sleep(1000)]);
  return { code: child.signalCode === null ? code : null, output };
}

/** Some clients leave a process behind; it is known by its home folder, which is this room's. */
function endLeftovers(room: string): void {
  const { stdout } = Bun.spawnSync(["ps", "-eo", "pid=,args="]);
  for (const line of stdout.toString().split("\n")) {
    const [, pid] = line.match(/^\s*(\d+)\s/) ?? [];
    if (pid !== undefined && Number(pid) !== process.pid && homeOf(pid).startsWith(room)) process.kill(Number(pid));
  }
}

function homeOf(pid: string): string {
  const environment = Bun.spawnSync(["cat", `/proc/${pid}/environ`]).stdout.toString();
  return (
    environment
      .split("\0")
      .find((entry) => entry.startsWith("HOME="))
      ?.slice("HOME=".length) ?? ""
  );
}
