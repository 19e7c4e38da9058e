import type { TLSOptions } from "bun";
import { codeOf } from "../core/error-code.ts";
import { err, ok, type Result } from "../core/result.ts";
import { CERTIFICATE_NAME, fingerprintOf, normalFingerprint } from "./certificate.ts";
import { RAW_EVENTS, RawSocket } from "./raw-socket.ts";

/** Who must answer, and who we are. */
export interface PinnedTls {
  /** The other's certificate (PEM): no other is accepted. */
  readonly pinned: string;
  /** Ours, where the other side wants to see it. */
  readonly own?: { readonly certificate: string; readonly key: string };
}

export type RawTarget =
  | { readonly unix: string }
  | { readonly host: string; readonly port: number; readonly tls?: PinnedTls };

export interface ConnectProblem {
  /** `pin`: something answered there, but it is another one. */
  readonly kind: "unreachable" | "pin" | "cancelled";
  readonly message: string;
}

/** Opens a connection; with TLS it resolves only when the other side has shown the pinned certificate. */
export function connectRaw(target: RawTarget, signal: AbortSignal): Promise<Result<RawSocket, ConnectProblem>> {
  const { promise, resolve } = Promise.withResolvers<Result<RawSocket, ConnectProblem>>();
  let settled = false;
  let raw: RawSocket | null = null;
  const settle = (result: Result<RawSocket, ConnectProblem>): void => {
    if (settled) return;
    settled = true;
    signal.removeEventListener("abort", abort);
    if (!result.ok) raw?.destroy();
    resolve(result);
  };
  const abort = (): void => settle(err({ kind: "cancelled", message: "it took too long" }));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const pinned = "unix" in target ? undefined : target.tls?.pinned;
  const fail = (error: unknown): void => settle(err({ kind: "unreachable", message: describe(error) }));
  const common = {
    socket: {
      ...RAW_EVENTS,
      open: (socket: Bun.Socket<RawSocket>): void => {
        raw = new RawSocket(socket);
        socket.data = raw;
        if (settled) return raw.destroy();
        if (pinned === undefined) settle(ok(raw));
      },
      handshake: (socket: Bun.Socket<RawSocket>, _: boolean, problem: Error | null): void => {
        const shown = fingerprintShown(socket);
        if (pinned === undefined) return;
        if (shown === fingerprintOf(pinned) && socket.authorized) return settle(ok(socket.data));
        const ofAnotherTime = shown === fingerprintOf(pinned) && /not yet valid|expired/i.test(describe(problem));
        if (ofAnotherTime) return fail("by this machine's clock its certificate is not valid");
        if (shown !== null) return settle(err({ kind: "pin", message: `it shows another certificate (${shown})` }));
        fail(problem ?? "no TLS there");
      },
      close: (socket: Bun.Socket<RawSocket>): void => {
        socket.data.events.close();
        fail("the connection was closed");
      },
      connectError: (_: unknown, error: Error): void => fail(error),
    },
  };
  const opening =
    "unix" in target
      ? Bun.connect<RawSocket>({ unix: target.unix, ...common })
      : Bun.connect<RawSocket>({
          hostname: target.host,
          port: target.port,
          ...(target.tls === undefined ? {} : { tls: tlsOptions(target.tls) }),
          ...common,
        });
  opening.catch(fail);
  return promise;
}

function tlsOptions({ pinned, own }: PinnedTls): TLSOptions {
  return {
    ca: pinned,
    serverName: CERTIFICATE_NAME,
    // Looked at after the handshake, to tell another certificate from a closed door. Nothing is sent before.
    rejectUnauthorized: false,
    ...(own === undefined ? {} : { cert: own.certificate, key: own.key }),
  };
}

/** Of the certificate that the other side showed; null: none. */
export function fingerprintShown(socket: Pick<Bun.Socket, "getPeerCertificate">): string | null {
  const shown: unknown = Reflect.get(socket.getPeerCertificate() ?? {}, "fingerprint256");
  return typeof shown === "string" ? normalFingerprint(shown) : null;
}

function describe(error: unknown): string {
  if (typeof error === "string") return error;
  const code = codeOf(error);
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nothing listens there",
    ETIMEDOUT: "no answer",
    EHOSTUNREACH: "no way to that machine",
    ENETUNREACH: "no way to that network",
    ENOTFOUND: "no machine of that name",
  };
  return known[code] ?? (error instanceof Error ? error.message : String(error));
}
