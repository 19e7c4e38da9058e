import { err, ok, type Result } from "../../core/result.ts";
import { modelsApi } from "../api/models.ts";
import type { CliFailure } from "../cli-failure.ts";
import { usageFailure } from "../cli-failure.ts";
import { command } from "../command.ts";
import type { BaseContext } from "../command.ts";
import { findNode, pickNode } from "../find-node.ts";
import { followJob } from "../follow-job.ts";
import { pickModel } from "../pick-model.ts";

export const modelMove = command({
  description:
    "The model is loaded on the other node (its file goes along), new requests go there, running answers end where they are, then it is unloaded there. No request is refused meanwhile. Where the other node serves it already, --from names whose copy goes. Ctrl-C stops the watching, not the move.",
  args: { model: { summary: "Id of the model that moves", required: true, pick: pickModel } },
  flags: {
    to: { type: "text", summary: "Id or name of the node that shall have it", placeholder: "node" },
    from: { type: "text", summary: "The node that it leaves, where several serve it", placeholder: "node" },
    wait: { type: "boolean", default: true, summary: "Return at once, without watching until it has moved" },
  },
  json: true,
  examples: ["flock model move qwen3-8b --to gpu-tower", "flock model move qwen3-8b --from lab-mac --to gpu-tower"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const wanted = context.flags.to === undefined ? await chooseNode(context) : ok(context.flags.to);
    if (!wanted.ok) return wanted;
    const to = await findNode(wanted.value, server.value, context, ({ state }) => state === "ready");
    if (!to.ok) return to;
    const from = context.flags.from === undefined ? null : await findNode(context.flags.from, server.value, context);
    if (from?.ok === false) return from;
    const { model } = context.args;
    const wish = { to: to.value.id, ...(from === null ? {} : { from: from.value.id }) };
    const moving = await modelsApi(server.value).move(model, wish);
    if (!moving.ok) return moving;
    const { job } = moving.value;
    if (!context.flags.wait) {
      out.document(moving.value, () =>
        out.line(`✔ ${model} is moving to ${to.value.name}; flock job watch ${job.id} tells when it is there`, "good"),
      );
      return ok(undefined);
    }
    return await followJob(server.value, job.id, out, context.signal);
  },
});

async function chooseNode(context: BaseContext): Promise<Result<string, CliFailure>> {
  const missing = usageFailure("flock model move needs --to <node>: the node that shall have it", "flock node ls");
  if (!context.interactive) return err(missing);
  const nodes = await pickNode(({ state }) => state === "ready")(context);
  return nodes.ok ? await context.choose("To which node?", nodes.value, missing) : nodes;
}
