import { ok } from "../../core/result.ts";
import { nodesApi } from "../api/nodes.ts";
import { command } from "../command.ts";
import { findNode, pickNode } from "../find-node.ts";

export const nodeUndrain = command({
  description:
    "Takes a drain back, also one that is still going on. Its own default model is loaded there again; others that moved away stay where they are.",
  args: {
    node: {
      summary: "Id or name of the node",
      required: true,
      pick: pickNode(({ drained_at }) => drained_at !== null),
    },
  },
  json: true,
  examples: ["flock node undrain n_abc123"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const found = await findNode(context.args.node, server.value, context, ({ drained_at }) => drained_at !== null);
    if (!found.ok) return found;
    const back = await nodesApi(server.value).undrain(found.value.id);
    if (!back.ok) return back;
    out.document(back.value, () => out.line(`✔ ${found.value.name} takes requests`, "good"));
    return ok(undefined);
  },
});
