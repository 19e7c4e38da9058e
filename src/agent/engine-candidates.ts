import { hostname } from "node:os";
import type { EngineKind } from "../core/replica.ts";
import type { EngineManager } from "../engine/driver.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { Candidate } from "./engine-finder.ts";

/** The kinds of engines that somebody else may have started; the first that has models gives the default one. */
const ATTACHED_KINDS = ["ollama", "vllm", "mlx", "llamacpp"] as const;
export type AttachedKind = (typeof ATTACHED_KINDS)[number];

type Places = Pick<AgentOptions, "endpoints" | "ownPorts">;

/** Where to look for which. MLX-LM's default port is Flock's own: Flock is never asked whether it is an engine. */
export function candidatesOf(
  { endpoints, ownPorts }: Places,
  managers: Readonly<Record<AttachedKind, EngineManager>>,
): Candidate[] {
  return ATTACHED_KINDS.filter((kind) => endpoints[kind].url !== "" && !isOwn(endpoints[kind].url, ownPorts)).map(
    (kind) => ({ at: endpoints[kind], manager: managers[kind] }),
  );
}

/** Why the engine that is wanted is not looked for; null: it is. */
export function unlookedFor(kind: AttachedKind, { endpoints, ownPorts }: Places): string | null {
  const { url } = endpoints[kind];
  const variable = `FLOCK_${kind.toUpperCase()}_ENDPOINT`;
  if (url === "") return `engine.${kind}_endpoint is empty: set ${variable}`;
  if (!isOwn(url, ownPorts)) return null;
  return `engine.${kind}_endpoint ${url} is Flock's own address: start the engine on another port and set ${variable}`;
}

export function isAttachedKind(kind: EngineKind | "auto"): kind is AttachedKind {
  return ATTACHED_KINDS.some((one) => one === kind);
}

/** Another machine's port is another thing. */
export function isOwn(endpoint: string, ownPorts: readonly number[]): boolean {
  if (!URL.canParse(endpoint)) return false;
  const { hostname: host, port, protocol } = new URL(endpoint);
  const number = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  return ownPorts.includes(number) && isThisMachine(host);
}

export function isThisMachine(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  return /^(localhost|127(\.\d+){3}|0\.0\.0\.0|::1?)$/.test(bare) || bare === hostname().toLowerCase();
}
