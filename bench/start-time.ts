import { join } from "node:path";
import { freePort, takesConnections } from "./spawn-server.ts";
import { median } from "./statistics.ts";
import { flockEnv } from "./subjects/flock.ts";

/** Medians, in ms, all measured in turn. */
export interface StartTime {
  /** Spawn until the port takes connections, on a data directory that is there already. */
  readonly listeningMs: number;
  /** Spawn until the first answer. */
  readonly answerMs: number;
  /** Spawn until `bun -e 0` has ended. */
  readonly emptyMs: number;
  /** Spawn until the command has ended, with the leader running. */
  readonly commands: readonly { readonly command: string; readonly ms: number }[];
}

const RUNS = 15;
const DEADLINE_MS = 30_000;
/** What a person types most: two that ask nobody, two that ask the leader. */
const COMMANDS = ["version", "--help", "status", "model ls"];

interface Place {
  readonly main: string;
  readonly dataDir: string;
  readonly enginePort: number;
}

export async function measureStart(root: string, dataDir: string, enginePort: number): Promise<StartTime> {
  const place = { main: join(root, "src/main.ts"), dataDir, enginePort };
  const listening: number[] = [];
  const answer: number[] = [];
  const empty: number[] = [];
  // The first one makes the database and the keys.
  await (await startOnce(place)).stop();
  for (let run = 0; run < RUNS; run += 1) {
    const started = await startOnce(place);
    listening.push(started.listeningMs);
    answer.push(started.answerMs);
    await started.stop();
    empty.push(await untilEnd(["-e", "0"]));
  }
  const leader = await startOnce(place);
  const took = COMMANDS.map((): number[] => []);
  for (let run = 0; run < RUNS; run += 1) {
    for (const [at, command] of COMMANDS.entries())
      took[at]?.push(await untilEnd([place.main, ...command.split(" ")], leader.env));
    empty.push(await untilEnd(["-e", "0"]));
  }
  await leader.stop();
  return {
    listeningMs: median(listening),
    answerMs: median(answer),
    emptyMs: median(empty),
    commands: COMMANDS.map((command, at) => ({ command, ms: median(took[at] ?? []) })),
  };
}

async function untilEnd(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const started = performance.now();
  const child = Bun.spawn([process.execPath, ...args], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  if ((await child.exited) !== 0) throw new Error(`${args.join(" ")} failed`);
  return performance.now() - started;
}

interface Started {
  readonly listeningMs: number;
  readonly answerMs: number;
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

async function startOnce({ main, dataDir, enginePort }: Place): Promise<Started> {
  const port = await freePort();
  const env = { ...flockEnv(dataDir, enginePort), FLOCK_LISTEN: `127.0.0.1:${port}` };
  const started = performance.now();
  const child = Bun.spawn([process.execPath, main, "up", "--no-wizard"], {
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const until = async (is: () => Promise<boolean>): Promise<number> => {
    while (!(await is())) {
      if (child.exitCode !== null) throw new Error(`flock ended: ${await new Response(child.stderr).text()}`);
      if (performance.now() - started > DEADLINE_MS) throw new Error("flock does not answer");
      await Bun.sleep(1);
    }
    return performance.now() - started;
  };
  const listeningMs = await until(() => takesConnections(port));
  const answerMs = await until(() => answers(port));
  return {
    listeningMs,
    answerMs,
    env,
    async stop() {
      await Bun.spawn([process.execPath, main, "down"], { env, stdout: "ignore", stderr: "ignore" }).exited;
      await child.exited;
    },
  };
}

/** The connection waits for its answer from the first moment on. */
async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(DEADLINE_MS) })).ok;
  } catch {
    return false;
  }
}
