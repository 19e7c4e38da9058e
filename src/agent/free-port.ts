import type { PortRange } from "../engine/driver.ts";

/**
 * A port on 127.0.0.1 where nobody listens now. Another program may still take it before the engine does: then the engine
 * ends, and its next start gets another one. Throws, naming the setting, when all are taken.
 */
export function freePort({ first, last }: PortRange): number {
  const count = last - first + 1;
  // Not always the first: engines that start at the same moment would all be given it.
  const from = Math.floor(Math.random() * count);
  for (let step = 0; step < count; step++) {
    const port = first + ((from + step) % count);
    if (isFree(port)) return port;
  }
  throw new Error(`all ports from ${first} to ${last} are taken; set engine.port_range to others`);
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => undefined } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
