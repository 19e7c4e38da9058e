/** Tenants are few and each has many requests. */
const known = new Map<string, string>();
const MOST_KNOWN = 10_000;

/**
 * Keeps the prefix cache of tenants apart. A client's own salt parts its cache further, never joins another tenant's: what
 * it sends is added to the tenant's.
 */
export function cacheSalt(tenant: string, own: string | undefined): string {
  let salt = known.get(tenant);
  if (salt === undefined) {
    salt = new Bun.CryptoHasher("sha256").update(`flock cache\0${tenant}`).digest("base64url").slice(0, 22);
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(tenant, salt);
  }
  return own === undefined ? salt : `${salt}.${own}`;
}
