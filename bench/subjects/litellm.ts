import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { childrenOf } from "../process-cost.ts";
import { freePort, spawnServer } from "../spawn-server.ts";
import { CHAT_PATH, type SubjectKind } from "../subject.ts";

/** Measured only where it is installed; one worker, no database, a master key. */
export const litellm: SubjectKind = {
  name: "litellm",
  missing: () => (Bun.which("litellm") === null ? "litellm is not on the PATH" : null),
  async start({ enginePort, models, dir, pin }) {
    const port = await freePort();
    const file = join(dir, "config.yaml");
    const entries = models.map(
      (model) => `  - model_name: ${model}
    litellm_params:
      model: openai/${model}
      api_base: http://127.0.0.1:${enginePort}/v1
      api_key: none
`,
    );
    const settings = "litellm_settings:\n  telemetry: false\ngeneral_settings:\n  master_key: sk-bench\n";
    writeFileSync(file, `model_list:\n${entries.join("")}${settings}`);
    const command = pin(["litellm", "--config", file, "--host", "127.0.0.1", "--port", String(port)]);
    const server = await spawnServer(command, port, { cwd: dir, deadlineMs: 120_000 });
    return {
      name: "litellm",
      port,
      path: CHAT_PATH,
      headers: { authorization: "Bearer sk-bench" },
      pids: [server.pid, ...childrenOf(server.pid)],
      besidePids: [],
      stop: () => server.stop(),
    };
  },
};
