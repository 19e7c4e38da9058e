import { ok, type Result } from "../core/result.ts";
import { modelsApi } from "./api/models.ts";
import type { CliFailure } from "./cli-failure.ts";
import type { BaseContext, Choice } from "./command.ts";

/** The models that are loaded, each once, for a person to choose from. */
export async function pickModel(context: BaseContext): Promise<Result<readonly Choice[], CliFailure>> {
  const server = await context.admin();
  if (!server.ok) return server;
  const listed = await modelsApi(server.value).list();
  if (!listed.ok) return listed;
  const byId = new Map(listed.value.models.map((model) => [model.id, model]));
  return ok([...byId.values()].map(({ id, engine, node }) => ({ value: id, label: id, hint: `${engine} on ${node}` })));
}
