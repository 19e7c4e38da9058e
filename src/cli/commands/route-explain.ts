import { ok } from "../../core/result.ts";
import { routeApi } from "../api/route.ts";
import { command } from "../command.ts";

export const routeExplain = command({
  description:
    "What would become of a request now: which model its name leads to, which replica gets it, and why none of the others. Nothing changes by asking.",
  args: { model: { summary: "The name as a client would send it (auto)", required: false } },
  flags: {
    key: { type: "text", placeholder: "key", summary: "Whose aliases count: id or name of a key" },
    session: { type: "text", placeholder: "name", summary: "The client's session" },
    tokens: { type: "integer", placeholder: "n", min: 0, max: 100_000_000, summary: "How long the prompt is" },
    tools: { type: "boolean", summary: "It brings tools" },
    images: { type: "boolean", summary: "It brings images" },
  },
  json: true,
  examples: ["flock route explain", "flock route explain claude-sonnet-4-5 --tools --tokens 20000"],
  async run(context, out) {
    const { key, session, tokens, tools, images } = context.flags;
    const server = await context.admin();
    if (!server.ok) return server;
    const explained = await routeApi(server.value).explain({
      model: context.args.model ?? "auto",
      tools: tools ? "true" : "false",
      images: images ? "true" : "false",
      ...(key === undefined ? {} : { key }),
      ...(session === undefined ? {} : { session }),
      ...(tokens === undefined ? {} : { tokens: String(tokens) }),
    });
    if (!explained.ok) return explained;
    const { name, model, how, waiting, fallbacks, replicas } = explained.value;
    out.document(explained.value, () => {
      out.line(`${name} is served by ${model} (${how})`);
      if (replicas.length === 0) return out.note("No replica of it is there at the moment. Why: flock engine ls");
      out.table(replicas, [
        { title: "", cell: ({ taken }) => (taken ? "▶" : "") },
        { title: "REPLICA", cell: ({ id }) => id, shrink: true },
        { title: "BUSY", cell: ({ in_flight, slots }) => `${in_flight}/${slots}` },
        { title: "TOKENS TO DO", cell: ({ outstanding_tokens }) => String(outstanding_tokens) },
        { title: "WHY", cell: ({ reason }) => reason, shrink: true },
      ]);
      if (waiting > 0) out.note(`${waiting} requests wait for a slot`);
      if (fallbacks.length > 0) out.note(`In its place could answer: ${fallbacks.join(", ")}`);
    });
    return ok(undefined);
  },
});
