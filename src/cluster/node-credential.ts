/**
 * What proves who a node is to the leader. Both sides of a link hold an X25519 key; the key of their signatures follows
 * from one's own private and the other's public one, so no secret of a link is ever sent, or stored at the leader.
 */
export interface NodeKeys {
  /** X25519 public key: SPKI DER in base64url. */
  readonly linkKey: string;
  /** The certificate (PEM) with which it speaks TLS on its own node port. */
  readonly certificate: string;
}

/** `<dataDir>/node.json` of a worker, mode 0600: who it is and where it belongs. */
export interface NodeCredential {
  /** Id that the leader gave it. */
  readonly node: string;
  readonly keys: NodeKeys;
  /** PKCS#8 in PEM, of the certificate. */
  readonly certificateKey: string;
  /** PKCS#8 in PEM, of the link key. */
  readonly linkPrivateKey: string;
  readonly leader: KnownLeader;
  /** For the leader, should it lose its record of this node; of these keys. Null: of a leader that gave none. */
  readonly proof: string | null;
}

/** What a machine knows of a cluster that it was taken out of; nothing in it lets anybody in. */
export interface RemovedFrom {
  readonly node: string;
  readonly leader: Pick<KnownLeader, "id" | "addresses">;
  readonly removed: { readonly at: number; readonly message: string; readonly mend: string };
}

/** What a worker knows of its leader. */
export interface KnownLeader {
  /** Random, made with the leader's certificate; stays when addresses change. */
  readonly id: string;
  readonly keys: NodeKeys;
  /** `host:port` of its node port, the one that worked last first. */
  readonly addresses: readonly string[];
}
