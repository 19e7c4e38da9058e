import { err, ok } from "../../core/result.ts";
import { usageApi } from "../api/usage.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";
import { count, duration, time } from "../format.ts";

export const usage = command({
  description: "Newest first. PROMPT includes what came from the cache.",
  flags: {
    limit: { type: "integer", summary: "How many (default 50)", placeholder: "n", min: 1, max: 1000 },
    user: { type: "text", summary: "Only this user's", placeholder: "user" },
    summary: { type: "boolean", summary: "Sums instead of records (not in this version yet)" },
  },
  json: true,
  examples: ["flock usage", "flock usage --limit 10 --user alice", "flock usage --json | jq '.records[].served_model'"],
  async run(context, out) {
    const { limit, user, summary } = context.flags;
    if (summary) {
      const message = "flock usage --summary is not available in this version yet";
      return err({ exitCode: EXIT.failure, code: "not_implemented", message, mend: "flock usage" });
    }
    const server = await context.admin();
    if (!server.ok) return server;
    const recent = await usageApi(server.value).recent({
      ...(limit === undefined ? {} : { limit: String(limit) }),
      ...(user === undefined ? {} : { user }),
    });
    if (!recent.ok) return recent;
    const { records } = recent.value;
    out.document(recent.value, () => {
      if (records.length === 0) return out.line(user === undefined ? "No requests yet" : `No requests of ${user} yet`);
      out.table(records, [
        { title: "TIME", cell: (record) => time(record.at) },
        { title: "USER", cell: (record) => record.user_name || record.user_id, shrink: true },
        { title: "MODEL", cell: (record) => record.served_model || record.requested_model, shrink: true },
        { title: "API", cell: (record) => record.protocol },
        { title: "PROMPT", cell: (record) => count(record.prompt_tokens), right: true },
        { title: "ANSWER", cell: (record) => count(record.completion_tokens), right: true },
        { title: "FIRST", cell: (record) => (record.ttft_ms === null ? "" : duration(record.ttft_ms)), right: true },
        { title: "TOTAL", cell: (record) => duration(record.latency_ms), right: true },
        {
          title: "OUTCOME",
          cell: (record) => (record.error_kind === "" ? record.outcome : record.error_kind),
          tone: (record) => (record.outcome === "ok" ? "good" : record.outcome === "error" ? "bad" : "warn"),
        },
      ]);
    });
    return ok(undefined);
  },
});
