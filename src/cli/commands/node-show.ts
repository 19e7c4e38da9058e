import { ok } from "../../core/result.ts";
import { type NodeDetail, nodesApi } from "../api/nodes.ts";
import { command } from "../command.ts";
import { findNode, pickNode } from "../find-node.ts";
import { bytes, count, duration, relative, time } from "../format.ts";
import { hardwareDetail, percent, stateOf, toneOfNode } from "../node-words.ts";
import type { Field, Out } from "../output.ts";
import { toneOf } from "../state-tone.ts";

export const nodeShow = command({
  description: "Hardware, models, utilisation, recent requests and what went wrong there.",
  args: { node: { summary: "Id or name of the node", required: true, pick: pickNode() } },
  json: true,
  examples: ["flock node show n_abc123", "flock node show gpu-tower --json"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const found = await findNode(context.args.node, server.value, context);
    if (!found.ok) return found;
    const shown = await nodesApi(server.value).show(found.value.id);
    if (!shown.ok) return shown;
    out.document(shown.value, () => render(out, shown.value, context.clock.now()));
    return ok(undefined);
  },
});

function render(out: Out, detail: NodeDetail, now: number): void {
  const { node, load, requests, events, logs } = detail;
  const { hardware } = node;
  const seen = node.last_seen_at === null ? "never" : relative(node.last_seen_at, now);
  // The leader's own machine tells when something changes, and is there all the time.
  const heard = node.link === "local" ? "" : `, heard of ${seen}`;
  out.fields([
    ["Node", `${node.name} (${node.id}), ${node.role}, version ${node.version}`],
    ["State", `${stateOf(node)}${heard}`, toneOfNode(node)],
    ["Link", [node.link ?? "none", ...node.addresses].join(" ")],
    ["Joined", time(node.joined_at)],
    ["Hardware", hardware === null ? "not known" : hardwareDetail(hardware)],
    ...(hardware?.gpus ?? []).map(({ name, memory_bytes }): Field => [
      "GPU",
      `${name}${memory_bytes === null ? "" : `, ${bytes(memory_bytes)}`}`,
    ]),
    ...node.problems.map((problem): Field => ["Problem", problem, "warn"]),
  ]);

  title(out, "Utilisation");
  if (load === null) out.line("The node does not tell at the moment", "dim");
  else {
    out.fields([
      ["CPU", percent(load.cpu)],
      ["Memory", `${bytes(load.memory_bytes - load.free_memory_bytes)} of ${bytes(load.memory_bytes)}`],
      ...load.gpus.map((gpu): Field => ["GPU", `${gpu.name}: ${gpuLoad(gpu)}`]),
    ]);
  }

  title(out, "Engines");
  // What a lost node told last is not what is.
  const engineState = ({ state }: NodeDetail["node"]["engines"][number]): string =>
    node.state === "lost" ? "lost" : state;
  out.table(node.engines, [
    { title: "ENGINE", cell: ({ id }) => id },
    { title: "KIND", cell: ({ kind }) => kind },
    { title: "STATE", cell: engineState, tone: (engine) => toneOf(engineState(engine)) },
    { title: "RESTARTS", cell: ({ restarts }) => String(restarts), right: true },
    { title: "PROBLEM", cell: ({ problem }) => problem ?? "", shrink: true },
  ]);

  title(out, "Models");
  if (node.models.length === 0) out.line("None is loaded", "dim");
  else {
    out.table(node.models, [
      { title: "MODEL", cell: ({ id }) => id, shrink: true },
      { title: "ENGINE", cell: ({ engine }) => engine },
      { title: "CONTEXT", cell: ({ context_tokens }) => count(context_tokens), right: true },
      { title: "BUSY", cell: ({ busy, slots }) => `${busy}/${slots}`, right: true },
    ]);
  }

  title(out, "Recent requests");
  if (requests.length === 0) out.line("None yet", "dim");
  else {
    out.table(requests, [
      { title: "TIME", cell: ({ at }) => time(at) },
      { title: "USER", cell: ({ user_name, key_name }) => user_name || key_name, shrink: true },
      { title: "MODEL", cell: ({ served_model, requested_model }) => served_model || requested_model, shrink: true },
      { title: "TOKENS", cell: (one) => `${count(one.prompt_tokens)}+${count(one.completion_tokens)}`, right: true },
      { title: "TOOK", cell: ({ latency_ms }) => duration(latency_ms), right: true },
      { title: "OUTCOME", cell: ({ outcome, error_kind }) => error_kind || outcome },
    ]);
  }

  title(out, "Log");
  for (const { at, what } of events) out.line(`${time(at)}  ${what}`);
  for (const { engine, lines } of logs) for (const line of lines) out.line(`${engine}: ${line}`, "dim");
  if (events.length === 0 && logs.length === 0) out.line("Nothing", "dim");
}

function gpuLoad(gpu: NonNullable<NodeDetail["load"]>["gpus"][number]): string {
  const parts = [`${percent(gpu.busy)} busy`];
  if (gpu.used_memory_bytes !== null && gpu.memory_bytes !== null)
    parts.push(`${bytes(gpu.used_memory_bytes)} of ${bytes(gpu.memory_bytes)}`);
  if (gpu.celsius !== null) parts.push(`${gpu.celsius} °C`);
  return parts.join(", ");
}

function title(out: Out, text: string): void {
  out.line();
  out.line(text, "strong");
}
