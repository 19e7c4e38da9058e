import { err, ok } from "../../core/result.ts";
import { auditApi } from "../api/audit.ts";
import { changeOf } from "../audit-change.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";
import { time } from "../format.ts";

export const audit = command({
  description: "Newest first.",
  flags: {
    limit: { type: "integer", summary: "How many (default 50)", placeholder: "n", min: 1, max: 1000 },
    actor: { type: "text", summary: "Only what this one did", placeholder: "actor" },
    summary: { type: "boolean", summary: "Sums instead of entries (not in this version yet)" },
  },
  json: true,
  examples: ["flock audit", "flock audit --limit 10", "flock audit --json"],
  async run(context, out) {
    const { limit, actor, summary } = context.flags;
    if (summary) {
      const message = "flock audit --summary is not available in this version yet";
      return err({ exitCode: EXIT.failure, code: "not_implemented", message, mend: "flock audit" });
    }
    const server = await context.admin();
    if (!server.ok) return server;
    const recent = await auditApi(server.value).recent({
      ...(limit === undefined ? {} : { limit: String(limit) }),
      ...(actor === undefined ? {} : { actor }),
    });
    if (!recent.ok) return recent;
    const { entries } = recent.value;
    out.document(recent.value, () => {
      if (entries.length === 0) return out.line("No changes yet");
      out.table(entries, [
        { title: "TIME", cell: (entry) => time(entry.at) },
        { title: "ACTOR", cell: (entry) => entry.actor, shrink: true },
        { title: "ACTION", cell: (entry) => entry.action },
        { title: "TARGET", cell: (entry) => entry.target, shrink: true },
        { title: "CHANGE", cell: (entry) => changeOf(entry), shrink: true },
      ]);
    });
    return ok(undefined);
  },
});
