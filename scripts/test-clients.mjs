// `npm run test:clients`: real clients from npm against a running Flock. They are not among this repository's packages:
// their pinned versions are installed beside the test, with the Node.js that they want.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, fail, root } from "./ensure-installed.mjs";

const bun = await ensureInstalled({ dev: true });
const folder = join(root, "test", "clients");
const { node, ...clients } = JSON.parse(readFileSync(join(folder, "versions.json"), "utf8"));
const dependencies = { [`node-${process.platform}-${process.arch}`]: node, ...clients };
const wanted = `${JSON.stringify({ private: true, dependencies }, null, 2)}\n`;
const target = join(folder, ".installed");
const stamp = join(target, "installed.json");

function installedAlready() {
  try {
    return readFileSync(stamp, "utf8") === wanted;
  } catch {
    return false;
  }
}

if (!installedAlready()) {
  console.log("Installing the clients (about 2 GB, once) …");
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, "package.json"), wanted);
  const flags = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
  const { status } = spawnSync("npm", flags, { cwd: target, stdio: "inherit" });
  if (status !== 0) fail("the clients could not be installed", "is the registry reachable? npm run test:clients");
  writeFileSync(stamp, wanted);
}

const child = spawn(bun, [join(folder, "main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
child.on("exit", (code) => process.exit(code ?? 1));
