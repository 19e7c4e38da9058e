import type { Endpoint } from "../driver.ts";

const MAX_CHARACTERS = 4 * 2 ** 20;

/** An engine's `/metrics` (Prometheus text), the samples of one name added up. Null: it has none, or not in time. */
export async function readMetrics(at: Endpoint, signal: AbortSignal): Promise<ReadonlyMap<string, number> | null> {
  try {
    const answer = await fetch(`${at.url}/metrics`, {
      headers: at.secret === "" ? {} : { authorization: `Bearer ${at.secret}` },
      signal,
      redirect: "error",
      keepalive: false,
    });
    return answer.ok ? parseMetrics((await answer.text()).slice(0, MAX_CHARACTERS)) : null;
  } catch {
    return null;
  }
}

export function parseMetrics(text: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^([a-zA-Z_:][\w:]*)(?:\{.*\})?\s+(\S+)/.exec(line) ?? [];
    const number = Number(value);
    if (name !== undefined && Number.isFinite(number)) sums.set(name, (sums.get(name) ?? 0) + number);
  }
  return sums;
}
