import { joinAddress } from "../node-address.ts";
import { wait } from "../../core/wait.ts";
import { decodeAnswer, encodeQuestion } from "./dns-message.ts";
import { bindUdp, closeQuietly, MDNS_GROUP, MDNS_PORT, outwardAddresses } from "./multicast.ts";

export interface FoundLeader {
  readonly name: string;
  /** Base URL for clients, at the address that answered. */
  readonly url: string;
  readonly version: string;
}

const ASK_AGAIN_MS = 400;

/** Asks on every network of this machine for leaders, and listens for so long. */
export async function findLeaders(listenMs: number, signal: AbortSignal): Promise<FoundLeader[]> {
  const found = new Map<string, FoundLeader>();
  const question = encodeQuestion();
  const over = AbortSignal.any([signal, AbortSignal.timeout(listenMs)]);
  const asking = outwardAddresses().map(async (address) => {
    const socket = await bindUdp(0);
    if (socket === null) return;
    socket.on("message", (message, from) => {
      const leader = decodeAnswer(message);
      if (leader === null) return;
      const url = `${leader.scheme}://${joinAddress(from.address, leader.port)}`;
      found.set(url, { name: leader.name, url, version: leader.version });
    });
    while (!over.aborted) {
      try {
        socket.setMulticastInterface(address);
        socket.send(question, MDNS_PORT, MDNS_GROUP, () => undefined);
      } catch {
        break;
      }
      // A datagram may be lost.
      await wait(ASK_AGAIN_MS, over);
    }
    closeQuietly(socket);
  });
  await Promise.all(asking);
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
