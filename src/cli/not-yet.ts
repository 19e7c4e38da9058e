import { join } from "node:path";
import { err } from "../core/result.ts";
import { EXIT } from "./cli-failure.ts";
import type { ArgSpec, Command, FlagSpec } from "./command.ts";
import type { Section } from "./command-list.ts";

interface Later {
  readonly section: Section;
  readonly name: string;
  readonly summary: string;
  readonly args?: Readonly<Record<string, ArgSpec>>;
  readonly flags?: Readonly<Record<string, FlagSpec>>;
  readonly json?: boolean;
  readonly examples: readonly string[];
  /** What does it today. */
  readonly meanwhile?: (dataDir: string) => string;
}

const yes: FlagSpec = { type: "boolean", summary: "Do not ask" };
const model: FlagSpec = { type: "text", summary: "Model that the snippet names", placeholder: "id" };
const baseUrl: FlagSpec = { type: "text", summary: "URL that the snippet names", placeholder: "url" };
const need = (summary: string): ArgSpec => ({ summary, required: true });
const may = (summary: string): ArgSpec => ({ summary, required: false });

/** Commands that this version names but cannot do. Whoever builds one deletes its row here. */
export const NOT_YET: readonly Later[] = [
  {
    section: "Lifecycle",
    name: "update",
    summary: "Install the newest release",
    flags: { check: { type: "boolean", summary: "Only say whether there is one" } },
    examples: ["flock update --check", "flock update"],
  },
  {
    section: "Lifecycle",
    name: "upgrade",
    summary: "The same as update",
    flags: { check: { type: "boolean", summary: "Only say whether there is one" } },
    examples: ["flock upgrade"],
  },
  {
    section: "Models",
    name: "model add",
    summary: "Install a model",
    args: { id: need("A catalogue id, hf:<owner>/<repository>, ollama:<name> or file:<path>") },
    flags: {
      force: { type: "boolean", summary: "Install although the hardware is too small" },
      "dry-run": { type: "boolean", summary: "Only say size, memory, engine and time" },
    },
    examples: ["flock model add llama-3.2-3b", "flock model add hf:Qwen/Qwen3-72B-AWQ --dry-run"],
    meanwhile: (dataDir) =>
      `flock down; flock up   # once a .gguf file of it is in ${join(dataDir, "models")}; flock model info <id> says where from`,
  },
  {
    section: "Models",
    name: "model remove",
    summary: "Uninstall a model",
    args: { id: need("The model") },
    flags: { yes },
    examples: ["flock model remove llama-3.2-3b"],
    meanwhile: (dataDir) => `ls ${join(dataDir, "models")}   # delete its file there, then: flock down; flock up`,
  },
  {
    section: "Shards",
    name: "shard create",
    summary: "Split a model over several workers",
    args: { model: need("The model"), shards: may("How many workers") },
    examples: ["flock shard create llama-3.3-70b-sharded 2"],
  },
  { section: "Shards", name: "shard ls", summary: "List shards", json: true, examples: ["flock shard ls"] },
  {
    section: "Shards",
    name: "shard remove",
    summary: "Tear a split model down",
    args: { model: need("The model") },
    flags: { yes },
    examples: ["flock shard remove llama-3.3-70b-sharded"],
  },
  {
    section: "Clients",
    name: "connect",
    summary: "Print how to point a client at Flock",
    args: { client: may("The client: claude-code, cursor, …") },
    flags: { list: { type: "boolean", summary: "List the clients" }, model, "base-url": baseUrl },
    examples: ["flock connect claude-code", "flock connect --list"],
    meanwhile: () => "docs/clients.md has what each client is told",
  },
  {
    section: "Clients",
    name: "disconnect",
    summary: "Print how to undo `flock connect`",
    args: { client: may("The client") },
    flags: { list: { type: "boolean", summary: "List the clients" } },
    examples: ["flock disconnect claude-code"],
  },
  {
    section: "Clients",
    name: "invite",
    summary: "Issue a key for a teammate, with a card of snippets",
    args: { name: need("Who it is for") },
    flags: {
      quota: {
        type: "integer",
        summary: "Tokens a day; 0: no limit",
        placeholder: "n",
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
      },
      clients: { type: "list", summary: "Only these clients on the card", placeholder: "id,id" },
      format: { type: "choice", summary: "Form of the card", choices: ["markdown", "json"] },
      model,
      "base-url": baseUrl,
    },
    examples: ["flock invite alice --quota 100000", "flock invite bob --clients claude-code,curl"],
    meanwhile: () => "flock token create <name>   # docs/clients.md has what each client is told",
  },
];

export function notYetCommand(later: Later): Command {
  return {
    ...(later.args === undefined ? {} : { args: later.args }),
    ...(later.flags === undefined ? {} : { flags: later.flags }),
    ...(later.json === undefined ? {} : { json: later.json }),
    description: "Not available in this version yet.",
    examples: later.examples,
    run: ({ dataDir }) =>
      Promise.resolve(
        err({
          exitCode: EXIT.failure,
          message: `flock ${later.name} is not available in this version yet`,
          code: "not_implemented",
          mend: later.meanwhile?.(dataDir) ?? "flock help",
        }),
      ),
  };
}
