import { join } from "node:path";
import { ok } from "../../core/result.ts";
import { shellQuote } from "../../core/shell-quote.ts";
import { command } from "../command.ts";

export const configEdit = command({
  description: "Prints the command and does not run it. Flock reads the file when it starts.",
  examples: ["flock config edit", "eval $(flock config edit)"],
  run(context, out) {
    const editor = context.env["VISUAL"] || context.env["EDITOR"] || "vi";
    out.line(`${editor} ${shellQuote(join(context.dataDir, "config.yaml"))}`);
    out.note("Afterwards: flock config check, then start Flock again", "dim");
    return Promise.resolve(ok(undefined));
  },
});
