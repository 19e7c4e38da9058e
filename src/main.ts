import { join } from "node:path";
import { VERSION } from "./cli/version.ts";
import { processIo } from "./cli/process-io.ts";
import { runCli } from "./cli/run-cli.ts";

/** The entry of every Flock process: the CLI, the leader (`flock up`) and, started by it, the agent (`__agent`). */
const argv = process.argv.slice(2);
// Bun reads its limit on outgoing connections only from the environment at its start.
const CONNECTIONS = "BUN_CONFIG_MAX_HTTP_REQUESTS";
const self = [process.execPath, import.meta.path];

if (argv[0] === "__agent") {
  await agent();
} else if (argv[0] === "up" && process.env[CONNECTIONS] === undefined && !argv.includes("--help")) {
  process.exitCode = await again();
} else {
  const { leaderControl } = await import("./compose-cli.ts");
  const root = join(import.meta.dir, "..");
  const leader = leaderControl({
    version: VERSION,
    self,
    engineCommand: [process.execPath, join(root, "src/engine/embedded/child.ts")],
    bundledModel: join(root, "models/flock-tiny.gguf"),
    name: "npm run flock --",
    gpuCommand: "npm run engine:gpu",
    env: process.env,
    stderrIsTTY: process.stderr.isTTY,
  });
  process.exitCode = await runCli(argv, { ...processIo(process.env), leader });
  // A worker or an open socket must not keep a command that is over.
  process.exit();
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
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      // Ctrl-C reaches the child from the terminal itself.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return await child.exited;
}
