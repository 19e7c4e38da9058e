import { ok } from "../../core/result.ts";
import { engineVersionsApi } from "../api/engine-versions.ts";
import { command } from "../command.ts";
import { bytes } from "../format.ts";

export const engineVersions = command({
  description: "Programs of engines that Flock has installed, on all nodes that answer. The pinned one is started.",
  json: true,
  examples: ["flock engine versions"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const listed = await engineVersionsApi(server.value).list();
    if (!listed.ok) return listed;
    const { versions } = listed.value;
    out.document(listed.value, () => {
      if (versions.length === 0) return out.line("None is installed yet: flock engine install llamacpp");
      out.table(versions, [
        { title: "NODE", cell: ({ node }) => node },
        { title: "ENGINE", cell: ({ engine }) => engine },
        { title: "VERSION", cell: ({ version }) => version },
        { title: "VARIANT", cell: ({ variant }) => variant },
        { title: "SIZE", cell: (version) => bytes(version.bytes), right: true },
        { title: "PINNED", cell: ({ pinned }) => (pinned ? "yes" : ""), tone: () => "good" },
      ]);
    });
    return ok(undefined);
  },
});
