// The slow way of the script `flock`, for when something may be missing: installs it, then hands over to Bun.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, root } from "./ensure-installed.mjs";

// Runs the CLI under the pinned Bun with this terminal, passes signals on, and ends with its exit code.
const bun = await ensureInstalled();
// Bun reads this limit on outgoing connections only from the environment at its start.
const env = { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: process.env.BUN_CONFIG_MAX_HTTP_REQUESTS ?? "65336" };
const child = spawn(bun, [join(root, "src", "main.ts"), ...process.argv.slice(2)], { stdio: "inherit", env });
const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // From the terminal Ctrl-C reaches the whole group; a signal sent to this process alone must be handed on.
    if (signal !== "SIGINT" || !onTerminal) child.kill(signal);
  });
}
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
