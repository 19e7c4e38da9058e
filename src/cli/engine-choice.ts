import { err, ok, type Result } from "../core/result.ts";
import { type Engine, type EngineTarget, enginesApi } from "./api/engines.ts";
import { type CliFailure, EXIT } from "./cli-failure.ts";
import type { ArgSpec, BaseContext, Choice } from "./command.ts";
import { didYouMean } from "./did-you-mean.ts";

export const engineArg = {
  summary: "The engine: <node>/<engine> by the node's id or name, or the engine alone where its name is unique",
  required: true,
  pick: pickEngine,
} as const satisfies ArgSpec;

/** `node/engine` by the node's id or name, or an engine's id alone where only one node has it. */
export async function findEngine(
  target: string,
  api: ReturnType<typeof enginesApi>,
): Promise<Result<EngineTarget, CliFailure>> {
  const listed = await api.list();
  if (!listed.ok) return listed;
  const { engines } = listed.value;
  const found = engines.filter(({ node, node_name: name, id }) =>
    [`${node}/${id}`, `${name}/${id}`, id].includes(target),
  );
  const [only, second] = found;
  if (only && !second) return ok({ node: only.node, engine: only.id });
  const message = second
    ? `Several nodes have an engine "${target}": ${found.map(nameOf).join(", ")}`
    : `There is no engine "${target}"${didYouMean(
        target,
        engines.flatMap((engine) => [nameOf(engine), engine.id]),
      )}`;
  return err({ exitCode: second ? EXIT.usage : EXIT.notFound, message, mend: "flock engine ls" });
}

export function nameOf({ node, id }: Pick<Engine, "node" | "id">): string {
  return `${node}/${id}`;
}

async function pickEngine(context: BaseContext): Promise<Result<readonly Choice[], CliFailure>> {
  const server = await context.admin();
  if (!server.ok) return server;
  const listed = await enginesApi(server.value).list();
  if (!listed.ok) return listed;
  return ok(listed.value.engines.map((one) => ({ value: nameOf(one), label: nameOf(one), hint: one.state })));
}
