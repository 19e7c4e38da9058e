const PREFIX = "sk-orc-";
const RANDOM_BYTES = 32;
const SHOWN_CHARACTERS = 4;

/** The plaintext of a new key: 256 random bits. It exists only here and where it is shown once. */
export function newSecret(): string {
  return PREFIX + Buffer.from(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES))).toString("base64url");
}

/** What is stored. One plain hash is enough: nobody can guess 256 random bits, and each request computes it. */
export function hashSecret(secret: string): string {
  return Bun.SHA256.hash(secret, "hex");
}

/** For display: `sk-orc-Ab12…`. */
export function secretPrefix(secret: string): string {
  return `${secret.slice(0, PREFIX.length + SHOWN_CHARACTERS)}…`;
}

export function looksLikeSecret(text: string): boolean {
  return /^sk-orc-[A-Za-z0-9_-]{43}$/.test(text);
}

export function hasSecretPrefix(text: string): boolean {
  return text.startsWith(PREFIX);
}
