import { ok } from "../../core/result.ts";
import { nodesApi } from "../api/nodes.ts";
import { command } from "../command.ts";
import { findNode, pickNode } from "../find-node.ts";
import { followJob } from "../follow-job.ts";

export const nodeDrain = command({
  description:
    "Models that no other node has move first, where a node can take them, and are unloaded here when their answers have ended; what cannot move stays loaded. Ctrl-C stops the watching, not the drain.",
  args: {
    node: { summary: "Id or name of the node", required: true, pick: pickNode(({ state }) => state === "ready") },
  },
  flags: {
    wait: {
      type: "boolean",
      default: true,
      summary: "Return at once, without watching until no request runs there any more",
    },
  },
  json: true,
  examples: ["flock node drain n_abc123", "flock node drain gpu-tower --no-wait"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const found = await findNode(context.args.node, server.value, context, ({ state }) => state === "ready");
    if (!found.ok) return found;
    const { id, name } = found.value;
    const drained = await nodesApi(server.value).drain(id);
    if (!drained.ok) return drained;
    const { job } = drained.value;
    if (!context.flags.wait) {
      out.document(drained.value, () =>
        out.line(`✔ ${name} takes no new requests; flock job watch ${job.id} tells when it is empty`, "good"),
      );
      return ok(undefined);
    }
    const followed = await followJob(server.value, job.id, out, context.signal);
    if (!followed.ok) return followed;
    out.note(
      `${name} is drained. It may be switched off, removed (flock node remove ${name}) or used again (flock node undrain ${name}).`,
    );
    return ok(undefined);
  },
});
