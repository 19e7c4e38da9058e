// `npm run build [-- --platform linux-x64,…]`: installs what is missing, then builds with the pinned Bun.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, root } from "./ensure-installed.mjs";

const bun = await ensureInstalled();
const { status } = spawnSync(bun, [join(root, "scripts", "build.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(status ?? 1);
