import { ok } from "../../core/result.ts";
import { engineVersionsApi } from "../api/engine-versions.ts";
import { command } from "../command.ts";

export const engineUse = command({
  description: "Pins one of the installed versions. Engines that run go on with theirs until they are restarted.",
  args: { version: { summary: "Tag of the release, or <tag>-<variant> where several are there", required: true } },
  flags: { node: { type: "text", summary: "Where; without it on the leader's machine", placeholder: "node" } },
  json: true,
  examples: ["flock engine use b10488", "flock engine use b10488-vulkan"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const { node } = context.flags;
    const used = await engineVersionsApi(server.value).use({
      engine: "llamacpp",
      version: context.args.version,
      ...(node === undefined ? {} : { node }),
    });
    if (!used.ok) return used;
    const { version } = used.value;
    out.document(used.value, () => {
      out.line(`✔ llama.cpp ${version.version} (${version.variant}) is used on ${version.node} from now on`, "good");
      out.line(`  → flock engine restart ${version.node}/llamacpp`);
    });
    return ok(undefined);
  },
});
