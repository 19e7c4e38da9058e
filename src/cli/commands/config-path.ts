import { join } from "node:path";
import { ok } from "../../core/result.ts";
import { command } from "../command.ts";

export const configPath = command({
  examples: ["flock config path", "cat $(flock config path)"],
  run(context, out) {
    out.line(join(context.dataDir, "config.yaml"));
    return Promise.resolve(ok(undefined));
  },
});
