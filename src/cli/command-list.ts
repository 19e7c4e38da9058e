import type { Command } from "./command.ts";
import { notYetCommand, NOT_YET } from "./not-yet.ts";

export const SECTIONS = [
  "Lifecycle",
  "Nodes",
  "Models",
  "Engines",
  "Shards",
  "Keys",
  "Clients",
  "Observability",
  "Config",
] as const;
export type Section = (typeof SECTIONS)[number];

/** One line of the list: enough for `flock --help`, without loading the command. */
export interface CommandEntry {
  /** As it is typed: `token create`. */
  readonly name: string;
  readonly section: Section;
  readonly summary: string;
  /** False: it only says that this version cannot do it yet. */
  readonly ready: boolean;
  load(): Promise<Command>;
}

function entry(section: Section, name: string, summary: string, load: () => Promise<Command>): CommandEntry {
  return { name, section, summary, ready: true, load };
}

const READY: readonly CommandEntry[] = [
  entry("Lifecycle", "up", "Start Flock on this machine", async () => (await import("./commands/up.ts")).up),
  entry("Lifecycle", "down", "Stop Flock on this machine", async () => (await import("./commands/down.ts")).down),
  entry(
    "Lifecycle",
    "restart",
    "Start Flock anew without an interruption",
    async () => (await import("./commands/restart.ts")).restart,
  ),
  entry("Lifecycle", "join", "Join a cluster as a worker", async () => (await import("./commands/join.ts")).join),
  entry("Lifecycle", "leave", "Leave the cluster", async () => (await import("./commands/leave.ts")).leave),
  entry("Lifecycle", "status", "Show what is running", async () => (await import("./commands/status.ts")).status),
  entry(
    "Lifecycle",
    "doctor",
    "Find common problems and what mends them",
    async () => (await import("./commands/doctor.ts")).doctor,
  ),
  entry("Lifecycle", "version", "Print the version", async () => (await import("./commands/version.ts")).version),
  entry(
    "Lifecycle",
    "completion",
    "Print a completion script for your shell",
    async () => (await import("./commands/completion.ts")).completion,
  ),
  entry("Nodes", "node ls", "List nodes", async () => (await import("./commands/node-ls.ts")).nodeLs),
  entry("Nodes", "node show", "Inspect a node", async () => (await import("./commands/node-show.ts")).nodeShow),
  entry(
    "Nodes",
    "node drain",
    "Route no new requests to a node",
    async () => (await import("./commands/node-drain.ts")).nodeDrain,
  ),
  entry(
    "Nodes",
    "node undrain",
    "Route requests to a drained node again",
    async () => (await import("./commands/node-undrain.ts")).nodeUndrain,
  ),
  entry("Nodes", "node remove", "Forget a node", async () => (await import("./commands/node-remove.ts")).nodeRemove),
  entry(
    "Models",
    "model adapter add",
    "Load a LoRA adapter onto a model",
    async () => (await import("./commands/model-adapter.ts")).adapterAdd,
  ),
  entry(
    "Models",
    "model adapter ls",
    "List LoRA adapters",
    async () => (await import("./commands/model-adapter.ts")).adapterLs,
  ),
  entry(
    "Models",
    "model adapter rm",
    "Take a LoRA adapter off",
    async () => (await import("./commands/model-adapter.ts")).adapterRm,
  ),
  entry("Engines", "engine ls", "List engines", async () => (await import("./commands/engine-ls.ts")).engineLs),
  entry(
    "Engines",
    "engine logs",
    "Show what an engine printed",
    async () => (await import("./commands/engine-logs.ts")).engineLogs,
  ),
  entry(
    "Engines",
    "engine start",
    "Start an engine that was stopped",
    async () => (await import("./commands/engine-act.ts")).engineStart,
  ),
  entry(
    "Engines",
    "engine stop",
    "Stop an engine that Flock keeps",
    async () => (await import("./commands/engine-act.ts")).engineStop,
  ),
  entry(
    "Engines",
    "engine restart",
    "Restart an engine that Flock keeps",
    async () => (await import("./commands/engine-act.ts")).engineRestart,
  ),
  entry(
    "Engines",
    "engine install",
    "Install a release of an engine",
    async () => (await import("./commands/engine-install.ts")).engineInstall,
  ),
  entry(
    "Engines",
    "engine versions",
    "List installed releases",
    async () => (await import("./commands/engine-versions.ts")).engineVersions,
  ),
  entry(
    "Engines",
    "engine use",
    "Pin an installed release",
    async () => (await import("./commands/engine-use.ts")).engineUse,
  ),
  entry(
    "Models",
    "model ls",
    "List the models that are loaded",
    async () => (await import("./commands/model-ls.ts")).modelLs,
  ),
  entry(
    "Models",
    "model move",
    "Move a model to another node while it serves",
    async () => (await import("./commands/model-move.ts")).modelMove,
  ),
  entry(
    "Models",
    "model search",
    "Search the catalogue",
    async () => (await import("./commands/model-search.ts")).modelSearch,
  ),
  entry(
    "Models",
    "model info",
    "Show all that is known of a model",
    async () => (await import("./commands/model-info.ts")).modelInfo,
  ),
  entry(
    "Models",
    "default",
    "Show or choose the model that auto gets",
    async () => (await import("./commands/default.ts")).defaultModel,
  ),
  entry(
    "Models",
    "alias set",
    "Let a name stand for a model",
    async () => (await import("./commands/alias-set.ts")).aliasSet,
  ),
  entry(
    "Models",
    "alias ls",
    "List the names that stand for models",
    async () => (await import("./commands/alias-ls.ts")).aliasLs,
  ),
  entry(
    "Models",
    "route explain",
    "Show which replica a request would get, and why",
    async () => (await import("./commands/route-explain.ts")).routeExplain,
  ),
  entry("Models", "alias rm", "Remove an alias", async () => (await import("./commands/alias-rm.ts")).aliasRm),
  entry(
    "Keys",
    "token create",
    "Issue an API key",
    async () => (await import("./commands/token-create.ts")).tokenCreate,
  ),
  entry(
    "Keys",
    "token edit",
    "Change what a key may do",
    async () => (await import("./commands/token-edit.ts")).tokenEdit,
  ),
  entry("Keys", "token ls", "List API keys", async () => (await import("./commands/token-ls.ts")).tokenLs),
  entry(
    "Keys",
    "token revoke",
    "Revoke an API key",
    async () => (await import("./commands/token-revoke.ts")).tokenRevoke,
  ),
  entry("Observability", "usage", "Show recent requests", async () => (await import("./commands/usage.ts")).usage),
  entry(
    "Observability",
    "usage rebuild",
    "Rebuild the usage sums from the records",
    async () => (await import("./commands/usage-rebuild.ts")).usageRebuild,
  ),
  entry(
    "Observability",
    "audit",
    "Show recent changes and who made them",
    async () => (await import("./commands/audit.ts")).audit,
  ),
  entry("Observability", "job ls", "List long operations", async () => (await import("./commands/job-ls.ts")).jobLs),
  entry(
    "Observability",
    "job show",
    "Show one long operation",
    async () => (await import("./commands/job-show.ts")).jobShow,
  ),
  entry(
    "Observability",
    "job watch",
    "Follow a long operation to its end",
    async () => (await import("./commands/job-watch.ts")).jobWatch,
  ),
  entry(
    "Config",
    "config show",
    "Show every setting, its value and who set it",
    async () => (await import("./commands/config-show.ts")).configShow,
  ),
  entry(
    "Config",
    "config check",
    "Check the configuration without starting",
    async () => (await import("./commands/config-check.ts")).configCheck,
  ),
  entry(
    "Config",
    "config path",
    "Print the path of the config file",
    async () => (await import("./commands/config-path.ts")).configPath,
  ),
  entry(
    "Config",
    "config edit",
    "Print the command that edits the config file",
    async () => (await import("./commands/config-edit.ts")).configEdit,
  ),
];

const LATER: readonly CommandEntry[] = NOT_YET.map((later) => ({
  name: later.name,
  section: later.section,
  summary: later.summary,
  ready: false,
  load: () => Promise.resolve(notYetCommand(later)),
}));

/** Every command there is. A new one is a file in `commands/` and a line above. */
export const COMMANDS: readonly CommandEntry[] = [...READY, ...LATER];
