import { X509Certificate } from "node:crypto";
import { codeOf } from "../core/error-code.ts";
import { CERTIFICATE_NAME, fingerprintOf } from "../cluster/certificate.ts";
import { splitAddress } from "../cluster/node-address.ts";
import { err, ok, type Result } from "../core/result.ts";

export interface FirstContactProblem {
  /** `other`: something answers there with another certificate. */
  readonly kind: "unreachable" | "other";
  readonly reason: string;
}

/**
 * Gets the certificate of whoever answers at an address, if it is the one of this fingerprint. Nothing is sent to
 * anybody before that is known.
 */
export function fetchCertificate(
  address: string,
  fingerprint: string,
  signal: AbortSignal,
): Promise<Result<string, FirstContactProblem>> {
  const { promise, resolve } = Promise.withResolvers<Result<string, FirstContactProblem>>();
  const unreachable = (reason: string): void => resolve(err({ kind: "unreachable", reason }));
  if (signal.aborted) unreachable("no answer");
  signal.addEventListener("abort", () => unreachable("no answer"), { once: true });
  const { host, port } = splitAddress(address);
  Bun.connect({
    hostname: host,
    port,
    // The certificate is what is asked for: it cannot be known yet. It is compared below.
    tls: { rejectUnauthorized: false, serverName: CERTIFICATE_NAME },
    socket: {
      data: () => undefined,
      handshake(socket) {
        const raw: unknown = Reflect.get(socket.getPeerCertificate() ?? {}, "raw");
        socket.end();
        if (!(raw instanceof Uint8Array)) return unreachable("no TLS there");
        const shown = new X509Certificate(raw).toString();
        if (fingerprintOf(shown) === fingerprint) resolve(ok(shown));
        else resolve(err({ kind: "other", reason: "another machine answers there" }));
      },
      close: () => unreachable("the connection was closed"),
      connectError: (_, error) => unreachable(reasonOf(error)),
    },
  }).catch((error: unknown) => unreachable(reasonOf(error)));
  return promise;
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nothing listens there",
    ENOTFOUND: "no machine of that name",
    EHOSTUNREACH: "no way to that machine",
    ENETUNREACH: "no way to that network",
    ETIMEDOUT: "no answer",
  };
  return known[code] ?? (error instanceof Error ? error.message : String(error));
}
