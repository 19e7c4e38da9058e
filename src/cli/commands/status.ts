import { ok } from "../../core/result.ts";
import { type Status, statusApi } from "../api/status.ts";
import { command } from "../command.ts";
import { bytes, count, duration } from "../format.ts";
import type { Field, Out } from "../output.ts";
import { toneOf } from "../state-tone.ts";

export const status = command({
  description: "Exit code 3 when Flock is not running.",
  json: true,
  examples: ["flock status", "flock status --json", "flock status --url http://leader:8080 --token sk-orc-…"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const shown = await statusApi(server.value).show();
    if (!shown.ok) return shown;
    const { url, worker } = server.value;
    out.document(shown.value, () => {
      if (worker !== null) {
        out.line(`This machine is the worker ${worker} of the leader at ${url}, which says:`);
        out.line();
      }
      render(shown.value, out);
    });
    return ok(undefined);
  },
});

function render(status: Status, out: Out): void {
  const sound = (label: string, good: boolean, text: string): Field => [label, text, good ? undefined : "bad"];
  const { store, journal } = status;
  out.line(`Flock ${status.version} is running as ${status.role}`, "good");
  out.fields([
    ["URL", status.url],
    ["Uptime", `${duration(status.uptime_s * 1000)} (pid ${status.pid})`],
    ["Data", status.data_dir],
    ["Default model", status.default_model ?? "none", status.default_model === null ? "warn" : undefined],
    ["In flight", count(status.requests_in_flight)],
    sound("Store", store.ok, store.ok ? store.type : `${store.type}, does not answer`),
    sound("Journal", journal.ok, journal.ok ? `${count(journal.pending)} to import` : "cannot be written"),
  ]);
  section(out, "Nodes", status.nodes, "No node has reported yet", (rows) =>
    out.table(rows, [
      { title: "ID", cell: (node) => node.id },
      { title: "NAME", cell: (node) => node.name, shrink: true },
      { title: "STATE", cell: (node) => node.state, tone: (node) => toneOf(node.state) },
      { title: "SYSTEM", cell: (node) => `${node.os} ${node.arch}` },
      { title: "CORES", cell: (node) => String(node.cores), right: true },
      { title: "MEMORY", cell: (node) => bytes(node.memory_bytes), right: true },
      { title: "GPUS", cell: (node) => node.gpus.map((gpu) => gpu.name).join(", "), shrink: true },
    ]),
  );
  section(out, "Engines", status.engines, "No engine yet", (rows) =>
    out.table(rows, [
      { title: "ENGINE", cell: (engine) => engine.id },
      { title: "NODE", cell: (engine) => engine.node_name, shrink: true },
      { title: "KIND", cell: (engine) => engine.kind },
      { title: "STATE", cell: (engine) => engine.state, tone: (engine) => toneOf(engine.state) },
      { title: "RESTARTS", cell: (engine) => String(engine.restarts), right: true },
      { title: "ENDPOINT", cell: (engine) => engine.endpoint },
      { title: "NOTE", cell: (engine) => engine.problem ?? engine.note ?? "", shrink: true },
    ]),
  );
  section(out, "Models", status.models, "No model is loaded", (rows) =>
    out.table(rows, [
      { title: "MODEL", cell: (model) => model.id, shrink: true },
      { title: "ENGINE", cell: (model) => model.engine },
      { title: "NODE", cell: (model) => model.node_name, shrink: true },
      { title: "CONTEXT", cell: (model) => count(model.context_tokens), right: true },
      { title: "BUSY", cell: (model) => `${model.busy}/${model.slots}`, right: true },
    ]),
  );
  for (const hint of status.hints) {
    out.line();
    out.line(hint.message, "warn");
    out.line(`  → ${hint.command}`);
  }
}

function section<R>(
  out: Out,
  title: string,
  rows: readonly R[],
  none: string,
  table: (rows: readonly R[]) => void,
): void {
  out.line();
  out.line(title, "strong");
  if (rows.length === 0) out.line(none, "dim");
  else table(rows);
}
