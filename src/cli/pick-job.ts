import { ok, type Result } from "../core/result.ts";
import { jobsApi } from "./api/jobs.ts";
import type { CliFailure } from "./cli-failure.ts";
import type { BaseContext, Choice } from "./command.ts";

/** The newest jobs, to choose from. */
export async function pickJob(context: BaseContext): Promise<Result<readonly Choice[], CliFailure>> {
  const server = await context.admin();
  if (!server.ok) return server;
  const listed = await jobsApi(server.value).list({});
  if (!listed.ok) return listed;
  return ok(listed.value.jobs.map((job) => ({ value: job.id, label: `${job.kind} ${job.id}`, hint: job.state })));
}
