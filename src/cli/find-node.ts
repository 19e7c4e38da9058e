import { err, ok, type Result } from "../core/result.ts";
import type { AdminServer } from "./admin-client.ts";
import { type Node, nodesApi } from "./api/nodes.ts";
import { type CliFailure, EXIT } from "./cli-failure.ts";
import type { BaseContext, Choice } from "./command.ts";
import { didYouMean } from "./did-you-mean.ts";
import { modelsOf, stateOf } from "./node-words.ts";

/** The node that is meant: by id, else by name; with a person there, chosen from those that could be. */
export async function findNode(
  target: string,
  server: AdminServer,
  context: BaseContext,
  may: (node: Node) => boolean = () => true,
): Promise<Result<Node, CliFailure>> {
  const listed = await nodesApi(server).list();
  if (!listed.ok) return listed;
  const { nodes } = listed.value;
  const found = nodes.find(({ id }) => id === target) ?? nodes.find(({ name }) => name === target);
  if (found !== undefined) return ok(found);
  const guess = didYouMean(
    target,
    nodes.flatMap(({ id, name }) => [name, id]),
  );
  const message = `There is no node "${target}"${guess}`;
  const otherwise: CliFailure = { exitCode: EXIT.notFound, message, mend: "flock node ls" };
  const chosen = await context.choose(`${message}. Which one?`, nodes.filter(may).map(toChoice), otherwise);
  if (!chosen.ok) return chosen;
  const node = nodes.find(({ id }) => id === chosen.value);
  return node === undefined ? err(otherwise) : ok(node);
}

/** For a missing argument: the nodes, to choose from. */
export function pickNode(may: (node: Node) => boolean = () => true) {
  return async (context: BaseContext): Promise<Result<readonly Choice[], CliFailure>> => {
    const server = await context.admin();
    if (!server.ok) return server;
    const listed = await nodesApi(server.value).list();
    return listed.ok ? ok(listed.value.nodes.filter(may).map(toChoice)) : listed;
  };
}

function toChoice(node: Node): Choice {
  return { value: node.id, label: `${node.name} ${node.id}`, hint: `${stateOf(node)} ${modelsOf(node)}`.trim() };
}
