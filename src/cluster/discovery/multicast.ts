import { createSocket, type Socket } from "node:dgram";
import { networkInterfaces } from "node:os";

export const MDNS_PORT = 5353;
export const MDNS_GROUP = "224.0.0.251";

/** IPv4 addresses of this machine's ways to others. */
export function outwardAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === "IPv4")
    .map(({ address }) => address);
}

/** Null: the port cannot be had. What goes wrong later ends in silence: discovery is a convenience. */
export function bindUdp(port: number): Promise<Socket | null> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  return new Promise((resolve) => {
    socket.on("error", () => {
      closeQuietly(socket);
      resolve(null);
    });
    socket.bind(port, () => resolve(socket));
  });
}

export function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    return;
  }
}
