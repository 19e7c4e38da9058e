import { ok } from "../../core/result.ts";
import { enginesApi } from "../api/engines.ts";
import { command } from "../command.ts";
import { nameOf } from "../engine-choice.ts";
import { toneOf } from "../state-tone.ts";

export const engineLs = command({
  description: "BY says who started an engine: flock keeps its own running, and never touches the others.",
  json: true,
  examples: ["flock engine ls", "flock engine ls --json"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const listed = await enginesApi(server.value).list();
    if (!listed.ok) return listed;
    const { engines } = listed.value;
    out.document(listed.value, () => {
      if (engines.length === 0) return out.line("No engines; see what is wrong with: flock doctor");
      out.table(engines, [
        { title: "ENGINE", cell: (engine) => nameOf(engine) },
        { title: "KIND", cell: ({ kind }) => kind },
        { title: "STATE", cell: ({ state }) => state, tone: ({ state }) => toneOf(state) },
        { title: "BY", cell: ({ managed }) => (managed ? "flock" : "somebody") },
        { title: "PID", cell: ({ pid }) => (pid === null ? "" : String(pid)), right: true },
        { title: "RESTARTS", cell: ({ restarts }) => String(restarts), right: true },
        { title: "ENDPOINT", cell: ({ endpoint }) => endpoint },
        { title: "MODELS", cell: ({ models }) => models.join(", "), shrink: true },
      ]);
      for (const engine of engines) {
        if (engine.problem === null) continue;
        out.line();
        out.line(`${nameOf(engine)}: ${engine.problem}`, "warn");
        out.line(`  → ${engine.start}`);
      }
    });
    return ok(undefined);
  },
});
