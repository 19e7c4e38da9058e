import { ok } from "../../core/result.ts";
import { command } from "../command.ts";

export const configCheck = command({
  description:
    "Reads the file, the environment and the flags as `flock up` would. Exit code 1 when something is wrong.",
  settings: true,
  examples: ["flock config check", "FLOCK_LISTEN=:9090 flock config check"],
  async run(context, out) {
    const loaded = await context.loadConfig();
    if (!loaded.ok) return loaded;
    for (const warning of loaded.value.warnings) out.note(`! ${warning}`, "warn");
    out.line(`✔ The configuration is sound (${loaded.value.path})`, "good");
    return ok(undefined);
  },
});
