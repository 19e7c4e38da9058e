import { ok } from "../../core/result.ts";
import { type BaseContext, command } from "../command.ts";

export const configShow = command({
  description:
    "What `flock up` would use, whether or not it is running: flag > environment > store (what was changed while Flock ran) > file > default. Secrets are not shown.\nWith --url it is what that server uses.",
  settings: true,
  json: true,
  examples: ["flock config show", "flock config show --json", "flock config show --listen :9090"],
  async run(context, out) {
    const shown = await (context.url === undefined ? ours(context) : theirs(context));
    if (!shown.ok) return shown;
    const { path, settings, warnings } = shown.value;
    out.document(shown.value, () => {
      out.table(settings, [
        { title: "KEY", cell: (row) => row.key, tone: (row) => (row.effective ? undefined : "dim") },
        {
          title: "VALUE",
          cell: (row) => (typeof row.value === "string" && row.value !== "" ? row.value : JSON.stringify(row.value)),
          shrink: true,
        },
        { title: "SET BY", cell: (row) => (row.detail === "" ? row.origin : row.detail.replace(path, "config.yaml")) },
        {
          title: "EFFECT",
          cell: (row) => (row.effective ? "yes" : "not yet"),
          tone: (row) => (row.effective ? "good" : "dim"),
        },
      ]);
      out.line();
      out.line(`File: ${path}`);
      for (const warning of warnings) out.note(`! ${warning}`, "warn");
    });
    return ok(undefined);
  },
});

async function ours(context: BaseContext) {
  const loaded = await context.loadConfig();
  if (!loaded.ok) return loaded;
  const [{ describeConfig }, { withStored }] = await Promise.all([
    import("../../config/describe.ts"),
    import("../../config/stored.ts"),
  ]);
  const { path, warnings } = loaded.value;
  const stored = await context.leader.storedSettings(loaded.value);
  return ok({ path, settings: describeConfig(withStored(loaded.value, stored)), warnings });
}

async function theirs(context: BaseContext) {
  const server = await context.admin();
  if (!server.ok) return server;
  const { configApi } = await import("../api/config.ts");
  return configApi(server.value).show();
}
