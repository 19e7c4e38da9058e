import { ok } from "../../core/result.ts";
import { nodesApi } from "../api/nodes.ts";
import { command } from "../command.ts";
import { findNode, pickNode } from "../find-node.ts";

export const nodeRemove = command({
  description: "Its credential is refused from then on, and its Flock ends. It may join again with a new token.",
  args: {
    node: { summary: "Id or name of the node", required: true, pick: pickNode(({ role }) => role === "worker") },
  },
  flags: { yes: { type: "boolean", summary: "Do not ask" } },
  json: true,
  examples: ["flock node remove n_abc123", "flock node remove gpu-tower --yes"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const found = await findNode(context.args.node, server.value, context, ({ role }) => role === "worker");
    if (!found.ok) return found;
    const { id, name, models } = found.value;
    const busy = models.reduce((sum, model) => sum + model.busy, 0);
    if (!context.flags.yes) {
      const running =
        busy === 0
          ? ""
          : ` ${busy} running ${busy === 1 ? "answer is" : "answers are"} cut off; flock node drain ${name} lets them end.`;
      const sure = await context.confirm(`Remove ${name} (${id})?${running}`);
      if (!sure.ok) return sure;
    }
    const removed = await nodesApi(server.value).remove(id);
    if (!removed.ok) return removed;
    out.document(removed.value, () => out.line(`✔ Removed ${name} (${id})`, "good"));
    return ok(undefined);
  },
});
