import { generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import { bitString, bool, der, integer, objectId, octets, sequence, setOf, tagged, time, utf8 } from "./der.ts";

/** A self-signed certificate and its private key, both PEM. */
export interface OwnCertificate {
  readonly certificate: string;
  /** PKCS#8. */
  readonly key: string;
}

/** The one name in every certificate: who answers is known by its fingerprint, not by where it is. */
export const CERTIFICATE_NAME = "flock";
const DAY_MS = 86_400_000;
const YEARS_MS = 20 * 365 * DAY_MS;

const ECDSA_WITH_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
const COMMON_NAME = objectId("2.5.4.3");

/**
 * A certificate that nobody vouches for, to be pinned by its fingerprint. It lasts 20 years, and begins a day early for
 * machines whose clock is behind. The curve is P-256, which every TLS implementation speaks.
 */
export function makeCertificate(nowMs: number): OwnCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(setOf(sequence(COMMON_NAME, utf8(CERTIFICATE_NAME))));
  const body = sequence(
    tagged(0, integer(Uint8Array.of(2))),
    integer(randomBytes(16)),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(new Date(nowMs - DAY_MS)), time(new Date(nowMs + YEARS_MS))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(3, sequence(...extensions())),
  );
  const signature = sign("sha256", body, privateKey);
  return {
    certificate: toPem("CERTIFICATE", sequence(body, ECDSA_WITH_SHA256, bitString(signature))),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
  };
}

/** SHA-256 of the certificate itself (DER), in lower-case hex. Throws on what is no certificate. */
export function fingerprintOf(pem: string): string {
  return normalFingerprint(new X509Certificate(pem).fingerprint256);
}

/** From the `AB:CD:…` that TLS sockets tell. */
export function normalFingerprint(fingerprint: string): string {
  return fingerprint.replaceAll(":", "").toLowerCase();
}

function extensions(): Uint8Array[] {
  const critical = bool(true);
  return [
    // A CA, so that a verifier that is given it as its only root finds its chain complete.
    sequence(objectId("2.5.29.19"), critical, octets(sequence(bool(true)))),
    // digitalSignature and keyCertSign.
    sequence(objectId("2.5.29.15"), critical, octets(der(0x03, Uint8Array.of(2, 0x84)))),
    // For servers and for clients.
    sequence(objectId("2.5.29.37"), octets(sequence(objectId("1.3.6.1.5.5.7.3.1"), objectId("1.3.6.1.5.5.7.3.2")))),
    sequence(objectId("2.5.29.17"), octets(sequence(der(0x82, Buffer.from(CERTIFICATE_NAME))))),
  ];
}

function toPem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
