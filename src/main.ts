import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";

/** The entry of every Flock process: the CLI, the leader (`flock up`) and, started by it, the agent (`__agent`). */
const argv = process.argv.slice(2);
// Bun reads its limit on outgoing connections only from the environment at its start.
const CONNECTIONS = "BUN_CONFIG_MAX_HTTP_REQUESTS";
/** The executable brings no GPU build of its own but Metal: any llama-server can take the engine's place. */
const LLAMA_SERVER = "llama-server -m <model.gguf> -ngl 99 --port 8089 & FLOCK_ENGINE=llamacpp flock up";
/** The compiled executable has its parts beside it, wherever the folder was moved and whatever link led here. */
const compiled = Bun.isStandaloneExecutable;
const executable = compiled ? realpathSync(process.execPath) : process.execPath;
const home = compiled ? dirname(executable) : join(import.meta.dir, "..");
const self = compiled ? [executable] : [executable, import.meta.path];
/** This process is to become the leader itself, rather than to start or ask one. */
const serves = argv[0] === "up" && !argv.some((word) => word === "--help" || word === "-h" || word === "--detach");

if (argv[0] === "__agent") {
  await agent();
} else if (serves && process.env[CONNECTIONS] === undefined) {
  process.exitCode = await again();
} else {
  await cli();
}

async function cli(): Promise<void> {
  if (serves) readAhead();
  const [{ lateControl }, { processIo }, { runCli }, { VERSION }] = await Promise.all([
    import("./compose/cli/late-control.ts"),
    import("./cli/process-io.ts"),
    import("./cli/run-cli.ts"),
    import("./cli/version.ts"),
  ]);
  const cut = new AbortController();
  const io = processIo(process.env, serves ? () => cut.abort() : undefined);
  // Through npm there is no `flock` on the PATH; called in any other way there is.
  const program = compiled || process.env["npm_lifecycle_event"] === undefined ? "flock" : "npm run flock --";
  const leader = lateControl({
    version: VERSION,
    self,
    engineCommand: [executable, join(home, compiled ? "engine/child.mjs" : "src/engine/embedded/child.ts")],
    // Without it the executable would take the child's file for a command of its own.
    engineChildEnv: compiled ? { BUN_BE_BUN: "1" } : {},
    bundledModel: join(home, "models/flock-tiny.gguf"),
    bundledCatalog: join(home, "catalog"),
    name: program,
    gpuCommand: compiled ? LLAMA_SERVER : "npm run engine:gpu",
    env: process.env,
    stderrIsTTY: io.stderr.isTTY,
    cut: cut.signal,
  });
  process.exitCode = await runCli(argv, { ...io, leader, program });
  // A worker or an open socket must not keep a command that is over.
  process.exit();
}

/** The parts that a start comes to one after the other: each is read while the one before it runs. */
function readAhead(): void {
  const parts = [
    import("./cli/commands/up.ts"),
    import("./config/load.ts"),
    import("./compose/cli/leader-control.ts"),
    import("./compose/leader/start-leader.ts"),
  ];
  // Whoever comes to a part that cannot be read is told why.
  for (const part of parts) part.catch(() => undefined);
}

async function agent(): Promise<void> {
  const [{ runAgent }, { agentOptions }] = await Promise.all([
    import("./agent/agent-process.ts"),
    import("./agent/agent-options.ts"),
  ]);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
  // The terminal's end must not take the agent along.
  process.on("SIGHUP", () => undefined);
  await runAgent(agentOptions.parse(await Bun.stdin.json()), stop.signal);
  process.exit();
}

/** Starts this program again with the limit set, on the same terminal, and passes signals on. */
async function again(): Promise<number> {
  const child = Bun.spawn([...self, ...argv], {
    stdio: ["inherit", "inherit", "inherit"],
    env: { ...process.env, [CONNECTIONS]: "65336" },
  });
  // What the terminal sends reaches the child as well; it takes two of a kind for one.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  return await child.exited;
}
