import { fingerprintOf } from "./certificate.ts";
import { fingerprintShown } from "./raw-connect.ts";
import { RAW_EVENTS, RawSocket } from "./raw-socket.ts";

export type ListenPlace =
  | { readonly unix: string }
  | {
      readonly host: string;
      readonly port: number;
      readonly tls: {
        readonly certificate: string;
        readonly key: string;
        /** Only who shows this certificate (PEM) gets in; null: anybody. */
        readonly client: string | null;
        /** Gets who shows another one and has proven to hold its key, with its fingerprint; absent: nobody does. */
        readonly guest?: (socket: RawSocket, fingerprint: string) => void;
      };
    };

export interface RawListener {
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Takes no new connections; `cut` ends those that are. */
  stop(cut: boolean): void;
}

/** Gives every connection to `accept`, with TLS once the handshake is over. Throws when it cannot listen there. */
export function listenRaw(place: ListenPlace, accept: (socket: RawSocket) => void): RawListener {
  const open = (socket: Bun.Socket<RawSocket>): void => {
    socket.data = new RawSocket(socket);
  };
  if ("unix" in place) {
    const listener = Bun.listen<RawSocket>({
      unix: place.unix,
      socket: {
        ...RAW_EVENTS,
        open: (socket) => {
          open(socket);
          accept(socket.data);
        },
      },
    });
    return { port: 0, stop: (cut) => listener.stop(cut) };
  }
  const { certificate, key, client, guest } = place.tls;
  const wanted = client === null ? null : fingerprintOf(client);
  const listener = Bun.listen<RawSocket>({
    hostname: place.host,
    port: place.port,
    tls: {
      cert: certificate,
      key,
      ...(client === null ? {} : { ca: client, requestCert: true, rejectUnauthorized: false }),
    },
    socket: {
      ...RAW_EVENTS,
      open,
      handshake: (socket, success) => {
        const shown = fingerprintShown(socket);
        const known = wanted === null || (socket.authorized && shown === wanted);
        if (!success || (!known && (guest === undefined || shown === null))) return socket.data.destroy();
        // Idle connections through a NAT are forgotten there without it, and a peer that vanished is never noticed.
        socket.setKeepAlive(true, 15_000);
        socket.setNoDelay(true);
        if (known) accept(socket.data);
        else guest?.(socket.data, shown ?? "");
      },
    },
  });
  return { port: listener.port, stop: (cut) => listener.stop(cut) };
}
