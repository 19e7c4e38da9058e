import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, spawnServer } from "../spawn-server.ts";
import { CHAT_PATH, type SubjectKind } from "../subject.ts";

const VERSION = "1.15.2";
/**
 * What its own lockfile has. Its package asks for newer ones too, and with those every stream is a 500 on Node.js 20
 * ("TypeError: immutable" in `updateHeaders`).
 */
const OVERRIDES = { "@hono/node-server": "1.3.3", hono: "4.9.7" };
/** Outside of node_modules and of the lockfile: no part of Flock, only something to measure against. */
const HOME = join(import.meta.dir, `../.peers/portkey-${VERSION}`);
const SERVER = join(HOME, "node_modules/@portkey-ai/gateway/build/start-server.js");

export const portkey: SubjectKind = {
  name: "portkey",
  missing() {
    if (Bun.which("node") === null) return "node is not installed";
    if (existsSync(SERVER)) return null;
    console.error(`▶ installing @portkey-ai/gateway ${VERSION} into bench/.peers (once) …`);
    mkdirSync(HOME, { recursive: true });
    const wanted = { private: true, dependencies: { "@portkey-ai/gateway": VERSION }, overrides: OVERRIDES };
    writeFileSync(join(HOME, "package.json"), JSON.stringify(wanted));
    const npm = ["npm", "install", "--prefix", HOME, "--no-audit", "--no-fund", "--ignore-scripts"];
    const { exitCode } = Bun.spawnSync(npm, { stdout: "ignore" });
    return exitCode === 0 && existsSync(SERVER) ? null : "@portkey-ai/gateway cannot be installed from npm";
  },
  async start({ enginePort, dir, pin }) {
    const port = await freePort();
    const command = pin([Bun.which("node") ?? "node", SERVER, "--headless", `--port=${port}`]);
    const server = await spawnServer(command, port, {
      cwd: dir,
      env: { ...process.env, NODE_ENV: "production", TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" },
    });
    return {
      name: "portkey",
      port,
      path: CHAT_PATH,
      headers: {
        authorization: "Bearer none",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": `http://127.0.0.1:${enginePort}/v1`,
      },
      pids: [server.pid],
      besidePids: [],
      stop: () => server.stop(),
    };
  },
};
