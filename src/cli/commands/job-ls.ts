import { ok } from "../../core/result.ts";
import { jobsApi } from "../api/jobs.ts";
import { command } from "../command.ts";
import { relative } from "../format.ts";
import { jobProgress } from "../job-progress.ts";
import { toneOf } from "../state-tone.ts";

export const jobLs = command({
  description: "Newest first.",
  flags: { limit: { type: "integer", summary: "How many (default 50)", placeholder: "n", min: 1, max: 1000 } },
  json: true,
  examples: ["flock job ls", "flock job ls --json"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const { limit } = context.flags;
    const listed = await jobsApi(server.value).list(limit === undefined ? {} : { limit: String(limit) });
    if (!listed.ok) return listed;
    const now = context.clock.now();
    out.document(listed.value, () => {
      if (listed.value.jobs.length === 0) return out.line("No long operations yet");
      out.table(listed.value.jobs, [
        { title: "ID", cell: (job) => job.id },
        { title: "KIND", cell: (job) => job.kind },
        { title: "STATE", cell: (job) => job.state, tone: (job) => toneOf(job.state) },
        { title: "CREATED", cell: (job) => relative(job.created_at, now) },
        { title: "BY", cell: (job) => job.actor, shrink: true },
        { title: "PROGRESS", cell: (job) => job.error ?? jobProgress(job.progress), shrink: true },
      ]);
    });
    return ok(undefined);
  },
});
