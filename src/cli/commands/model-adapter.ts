import { ok } from "../../core/result.ts";
import { adaptersApi } from "../api/adapters.ts";
import { command } from "../command.ts";

export const adapterAdd = command({
  description:
    "The adapter becomes a model of its own, with its file's name as its id. vLLM and llama-server take adapters. A llama-server that Flock started is started again with it; requests meanwhile wait. Paths are those of the machine that serves the model.",
  args: {
    model: { summary: "The model", required: true },
    adapter: { summary: "file:<path> or hf:<owner>/<repository>", required: true },
  },
  flags: { node: { type: "text", summary: "Only on this node", placeholder: "node" } },
  json: true,
  examples: ["flock model adapter add qwen3-coder file:/models/ours.gguf"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const { model, adapter } = context.args;
    const { node } = context.flags;
    const added = await adaptersApi(server.value).add({ model, adapter, ...(node === undefined ? {} : { node }) });
    if (!added.ok) return added;
    out.document(added.value, () => {
      for (const one of added.value.adapters) {
        out.line(`✔ ${one.id} is an adapter of ${one.model} on ${one.node}/${one.engine}`, "good");
      }
    });
    return ok(undefined);
  },
});

export const adapterLs = command({
  description: "Adapters that are served now, one row for each copy.",
  json: true,
  examples: ["flock model adapter ls"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const listed = await adaptersApi(server.value).list();
    if (!listed.ok) return listed;
    const { adapters } = listed.value;
    out.document(listed.value, () => {
      if (adapters.length === 0)
        return out.line("No adapters; put one on with: flock model adapter add <model> <adapter>");
      out.table(adapters, [
        { title: "ADAPTER", cell: ({ id }) => id },
        { title: "MODEL", cell: ({ model }) => model },
        { title: "NODE", cell: ({ node }) => node },
        { title: "ENGINE", cell: ({ engine }) => engine },
      ]);
    });
    return ok(undefined);
  },
});

export const adapterRm = command({
  description: "Its file stays where it is.",
  args: { adapter: { summary: "The adapter's id", required: true } },
  json: true,
  examples: ["flock model adapter rm ours"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const removed = await adaptersApi(server.value).remove(context.args.adapter);
    if (!removed.ok) return removed;
    out.document(removed.value, () => {
      for (const one of removed.value.adapters) out.line(`✔ ${one.id} is off ${one.node}/${one.engine}`, "good");
    });
    return ok(undefined);
  },
});
