import { ok } from "../../core/result.ts";
import { tokensApi } from "../api/tokens.ts";
import { command } from "../command.ts";
import { relative } from "../format.ts";
import { keyLimits, keyState, usedToday } from "../key-limits.ts";

export const tokenLs = command({
  description:
    "Shows the first characters of each key; the keys themselves are not kept. TODAY is in tokens, since midnight UTC.",
  json: true,
  examples: ["flock token ls", "flock token ls --json"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const listed = await tokensApi(server.value).list();
    if (!listed.ok) return listed;
    const now = context.clock.now();
    const { tokens } = listed.value;
    out.document(listed.value, () => {
      if (tokens.length === 0) return out.line("No keys yet; issue one with: flock token create <name>");
      out.table(tokens, [
        { title: "ID", cell: (key) => key.id },
        { title: "NAME", cell: (key) => key.name, shrink: true },
        { title: "KEY", cell: (key) => key.prefix, spare: true },
        { title: "SCOPE", cell: (key) => key.scope },
        {
          title: "STATE",
          cell: (key) => keyState(key, now),
          tone: (key) => (keyState(key, now) === "active" ? "good" : "dim"),
        },
        { title: "TODAY", cell: usedToday, right: true },
        { title: "LIMITS", cell: keyLimits, shrink: true },
        { title: "EXPIRES", cell: (key) => (key.expires_at === null ? "never" : relative(key.expires_at, now)) },
        {
          title: "LAST USED",
          cell: (key) => (key.last_used_at === null ? "never" : relative(key.last_used_at, now)),
          spare: true,
        },
      ]);
    });
    return ok(undefined);
  },
});
