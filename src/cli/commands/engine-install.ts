import { type EngineInstall, engineVersionsApi } from "../api/engine-versions.ts";
import { command } from "../command.ts";
import { followJob } from "../follow-job.ts";

const VARIANTS = ["cuda", "rocm", "vulkan", "metal", "cpu"] as const;

export const engineInstall = command({
  description:
    "Fetches the official release archive for the machine and its GPU, checks its SHA-256 and unpacks it under the data directory. Versions live side by side; the one installed last is pinned (flock engine use). What broke off is gone on with. Ctrl-C stops the watching, not the job.",
  args: { engine: { summary: "The engine", required: true, choices: ["llamacpp"] } },
  flags: {
    version: { type: "text", summary: "Tag of the release; without it the newest", placeholder: "tag" },
    variant: { type: "choice", summary: "Without it by GPU and driver", choices: VARIANTS },
    sha256: { type: "text", summary: "Checksum, where the release tells none", placeholder: "hex" },
    node: { type: "text", summary: "Where; without it on the leader's machine", placeholder: "node" },
  },
  json: true,
  examples: ["flock engine install llamacpp", "flock engine install llamacpp --version b10488 --variant vulkan"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const { version, sha256, node } = context.flags;
    const variant = VARIANTS.find((one) => one === context.flags.variant);
    const wish: EngineInstall = {
      engine: "llamacpp",
      ...(version === undefined ? {} : { version }),
      ...(variant === undefined ? {} : { variant }),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(node === undefined ? {} : { node }),
    };
    const started = await engineVersionsApi(server.value).install(wish);
    if (!started.ok) return started;
    const followed = await followJob(server.value, started.value.job.id, out, context.signal);
    if (followed.ok) out.note("An engine takes it at its next start: flock engine restart <node>/llamacpp");
    return followed;
  },
});
