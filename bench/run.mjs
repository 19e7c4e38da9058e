// `npm run bench`: installs what is missing, then hands over to the pinned Bun.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, root } from "../scripts/ensure-installed.mjs";

const bun = await ensureInstalled();
const child = spawn(bun, [join(root, "bench", "main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
// Ctrl-C reaches the whole group; the bench stops its servers itself.
process.on("SIGINT", () => undefined);
child.on("exit", (code) => process.exit(code ?? 1));
