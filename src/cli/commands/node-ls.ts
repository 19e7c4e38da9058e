import { ok } from "../../core/result.ts";
import { nodesApi } from "../api/nodes.ts";
import { command } from "../command.ts";
import { enginesOf, hardwareOf, modelsOf, stateOf, toneOfNode } from "../node-words.ts";

export const nodeLs = command({
  description:
    "The leader's own machine comes first. LINK says how it is reached: lan (TLS to its own port) or tunnel (over connections that it dialled).",
  json: true,
  examples: ["flock node ls", "flock node ls --json"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const listed = await nodesApi(server.value).list();
    if (!listed.ok) return listed;
    const { nodes } = listed.value;
    out.document(listed.value, () => {
      out.table(nodes, [
        { title: "ID", cell: (node) => node.id },
        { title: "HOSTNAME", cell: (node) => node.name, shrink: true },
        { title: "HARDWARE", cell: (node) => hardwareOf(node.hardware), shrink: true },
        { title: "ENGINE", cell: enginesOf },
        { title: "MODEL", cell: modelsOf, shrink: true },
        { title: "STATE", cell: stateOf, tone: toneOfNode },
        { title: "LINK", cell: (node) => node.link ?? "" },
      ]);
      if (nodes.length === 1) {
        out.line();
        out.line("Another machine joins with a token: flock token create --node", "dim");
      }
    });
    return ok(undefined);
  },
});
