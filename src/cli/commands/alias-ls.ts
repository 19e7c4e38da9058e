import { ok } from "../../core/result.ts";
import { aliasesApi } from "../api/aliases.ts";
import { command } from "../command.ts";
import { relative } from "../format.ts";

export const aliasLs = command({
  json: true,
  examples: ["flock alias ls", "flock alias ls --json"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const listed = await aliasesApi(server.value).list();
    if (!listed.ok) return listed;
    const now = context.clock.now();
    const { aliases } = listed.value;
    out.document(listed.value, () => {
      if (aliases.length === 0) return out.line("No aliases yet; make one with: flock alias set <name> <model>");
      out.table(aliases, [
        { title: "NAME", cell: (alias) => alias.name, shrink: true },
        { title: "MODEL", cell: (alias) => alias.model, shrink: true },
        { title: "FOR", cell: (alias) => (alias.key_id === null ? "everybody" : (alias.key_name ?? alias.key_id)) },
        { title: "CHANGED", cell: (alias) => relative(alias.updated_at, now) },
      ]);
    });
    return ok(undefined);
  },
});
