import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync } from "node:crypto";

/** An X25519 key pair as it is kept and sent. */
export interface LinkKeyPair {
  /** SPKI DER in base64url. */
  readonly linkKey: string;
  /** PKCS#8 in PEM. */
  readonly linkPrivateKey: string;
}

/** Keys of the signatures of one link, one a direction: a call cannot be sent back to where it came from. */
export interface SigningKeys {
  readonly toLeader: Uint8Array;
  readonly toWorker: Uint8Array;
  /** The leader's, for tickets with which others may come to the worker. */
  readonly tickets: Uint8Array;
}

export function makeLinkKey(): LinkKeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  return {
    linkKey: publicKey.export({ type: "spki", format: "der" }).toString("base64url"),
    linkPrivateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
  };
}

/** The same on both sides, from one's own private and the other's public key. Throws on what is no key. */
export function signingKeys(ownPrivateKey: string, otherLinkKey: string): SigningKeys {
  const secret = diffieHellman({
    privateKey: createPrivateKey(ownPrivateKey),
    publicKey: createPublicKey({ key: Buffer.from(otherLinkKey, "base64url"), format: "der", type: "spki" }),
  });
  const derive = (direction: string) => new Uint8Array(hkdfSync("sha256", secret, "", `flock link: ${direction}`, 32));
  return { toLeader: derive("to the leader"), toWorker: derive("to the worker"), tickets: derive("tickets") };
}

export function isLinkKey(text: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(text, "base64url"), format: "der", type: "spki" });
    return key.asymmetricKeyType === "x25519";
  } catch {
    return false;
  }
}
