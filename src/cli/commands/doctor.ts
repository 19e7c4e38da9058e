import { err, ok } from "../../core/result.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";

export const doctor = command({
  description:
    "Looks at this machine, whether or not Flock runs, and changes nothing. Exit code 1 when something is wrong.",
  json: true,
  examples: ["flock doctor", "flock doctor --json"],
  async run(context, out) {
    const config = await context.loadConfig();
    if (!config.ok) return config;
    const findings = await context.leader.diagnose(config.value, context.signal);
    const wrong = findings.filter((finding) => !finding.ok);
    out.document({ ok: wrong.length === 0, findings }, () => {
      for (const { ok: good, check, message, mend } of findings) {
        out.line(`${good ? "✔" : "!"} ${check}: ${message}`, good ? undefined : "warn");
        if (mend !== null) out.line(`    → ${mend}`, "dim");
      }
    });
    if (wrong.length === 0) return ok(undefined);
    const message = wrong.length === 1 ? "1 thing could be better" : `${wrong.length} things could be better`;
    return err({ exitCode: EXIT.failure, code: "findings", message });
  },
});
