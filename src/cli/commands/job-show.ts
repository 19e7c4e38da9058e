import { ok } from "../../core/result.ts";
import { jobsApi } from "../api/jobs.ts";
import { command } from "../command.ts";
import { duration, time } from "../format.ts";
import { jobProgress } from "../job-progress.ts";
import { pickJob } from "../pick-job.ts";
import { toneOf } from "../state-tone.ts";

export const jobShow = command({
  args: { id: { summary: "The job", required: true, pick: pickJob } },
  json: true,
  examples: ["flock job show job_0a1b2c3d4e5f6a7b"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const shown = await jobsApi(server.value).show(context.args.id);
    if (!shown.ok) return shown;
    const { job } = shown.value;
    out.document(shown.value, () => {
      const end = job.finished_at ?? context.clock.now();
      out.fields([
        ["Job", job.id],
        ["Kind", job.kind],
        ["State", job.state, toneOf(job.state)],
        ["Attempt", String(job.attempt)],
        ["By", job.actor],
        ["Created", time(job.created_at)],
        ...(job.started_at === null ? [] : [["Took", duration(end - job.started_at)] as const]),
        ...(job.progress === null ? [] : [["Progress", jobProgress(job.progress)] as const]),
        ...(job.error === null ? [] : [["Error", job.error, "bad"] as const]),
      ]);
    });
    return ok(undefined);
  },
});
