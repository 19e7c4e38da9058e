import type { Socket } from "node:dgram";
import { type AnnouncedLeader, asksForLeaders, encodeAnswer } from "./dns-message.ts";
import { bindUdp, closeQuietly, MDNS_GROUP, MDNS_PORT, outwardAddresses } from "./multicast.ts";

/** A network that comes up later is joined within this. */
const LOOK_AGAIN_MS = 30_000;

/**
 * Answers whoever asks on the local network for leaders (mDNS), to them alone. Says nothing by itself, and nothing but
 * name, port and version. Where the port is taken or multicast is refused it does nothing.
 */
export async function announceLeader(leader: AnnouncedLeader): Promise<{ stop(): void }> {
  const socket = await bindUdp(MDNS_PORT);
  if (socket === null) return { stop: () => undefined };
  const joined = new Set<string>();
  const join = (): void => {
    for (const address of outwardAddresses()) if (!joined.has(address) && joins(socket, address)) joined.add(address);
  };
  join();
  const timer = setInterval(join, LOOK_AGAIN_MS);
  timer.unref();
  socket.unref();
  socket.on("message", (message, from) => {
    if (!asksForLeaders(message)) return;
    socket.send(encodeAnswer(leader, message.readUInt16BE(0)), from.port, from.address, () => undefined);
  });
  return {
    stop() {
      clearInterval(timer);
      closeQuietly(socket);
    },
  };
}

function joins(socket: Socket, address: string): boolean {
  try {
    socket.addMembership(MDNS_GROUP, address);
    return true;
  } catch {
    return false;
  }
}
