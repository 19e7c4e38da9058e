import { ok } from "../../core/result.ts";
import { command } from "../command.ts";
import { VERSION } from "../version.ts";

export const version = command({
  json: true,
  examples: ["flock version", "flock version --json"],
  run(_context, out) {
    const facts = { version: VERSION, bun: Bun.version, os: process.platform, arch: process.arch };
    out.document(facts, () => out.line(`flock ${VERSION} (Bun ${Bun.version}, ${facts.os} ${facts.arch})`));
    return Promise.resolve(ok(undefined));
  },
});
