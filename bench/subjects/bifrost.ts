import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, spawnServer } from "../spawn-server.ts";
import { CHAT_PATH, type SubjectKind } from "../subject.ts";

/** Measured only where it is installed. It routes by a prefix of the model's name. */
export const bifrost: SubjectKind = {
  name: "bifrost",
  missing: () => (Bun.which("bifrost-http") === null ? "bifrost-http is not on the PATH" : null),
  async start({ enginePort, dir, pin }) {
    const port = await freePort();
    const configuration = {
      client: { enable_logging: false },
      providers: {
        openai: {
          keys: [{ name: "bench", value: "none", weight: 1, models: [] }],
          network_config: { base_url: `http://127.0.0.1:${enginePort}` },
        },
      },
    };
    writeFileSync(join(dir, "config.json"), JSON.stringify(configuration));
    const command = pin(["bifrost-http", "-app-dir", dir, "-host", "127.0.0.1", "-port", String(port)]);
    const server = await spawnServer(command, port, { cwd: dir });
    return {
      name: "bifrost",
      port,
      path: CHAT_PATH,
      headers: {},
      pids: [server.pid],
      besidePids: [],
      stop: () => server.stop(),
    };
  },
};
