import type { Node } from "./api/nodes.ts";
import type { Tone } from "./output.ts";
import { bytes } from "./format.ts";

type Hardware = NonNullable<Node["hardware"]>;

/** `M4 Pro / 64 GiB`, `2× RTX 5090`, `Xeon 6430 / 256 GiB`: what decides which models fit. */
export function hardwareOf(hardware: Node["hardware"]): string {
  if (hardware === null) return "";
  const cards = hardware.gpus.filter((gpu) => gpu.vendor !== "apple").map((gpu) => shortName(gpu.name));
  if (cards.length > 0)
    return [...Map.groupBy(cards, (name) => name)].map(([name, same]) => times(same.length, name)).join(" + ");
  return `${shortName(hardware.cpu)} / ${bytes(hardware.memory_bytes)}`;
}

/** Without what every card or processor of its maker bears. */
function shortName(name: string): string {
  return name
    .replaceAll(/\((R|TM)\)|\b(NVIDIA|GeForce|Intel|AMD|Apple|CPU|Processor|\d+-Core)\b/g, " ")
    .replace(/@.*$/, "")
    .replaceAll(/\s+/g, " ")
    .trim();
}

function times(count: number, name: string): string {
  return count === 1 ? name : `${count}× ${name}`;
}

export function hardwareDetail({ cpu, cores, memory_bytes, free_memory_bytes, os, arch }: Hardware): string {
  return `${cpu}, ${cores} cores, ${bytes(memory_bytes)} (${bytes(free_memory_bytes)} free), ${os} ${arch}`;
}

/** A ready node without models is idle: it waits for one. */
export function stateOf(node: Node): string {
  if (node.state === "elsewhere" && node.drained_at !== null) return "elsewhere, drained";
  return node.state === "ready" && node.models.length === 0 ? "idle" : node.state;
}

export function toneOfNode(node: Node): Tone {
  if (node.state === "ready") return "good";
  return node.state === "lost" ? "bad" : "warn";
}

export function modelsOf(node: Node): string {
  return [...new Set(node.models.map(({ id }) => id))].join(", ");
}

export function enginesOf(node: Node): string {
  return [...new Set(node.engines.map(({ kind }) => kind))].join(", ");
}

export function percent(share: number | null): string {
  return share === null ? "not known" : `${Math.round(share * 100)} %`;
}
