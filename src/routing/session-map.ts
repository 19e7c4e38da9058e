/** Which replica a conversation was last served by. Bounded: what was not used lately goes first. */
export class SessionMap {
  readonly #most: number;
  #young = new Map<string, string>();
  #old = new Map<string, string>();

  constructor(most = 32_768) {
    this.#most = most;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(session: string): string | undefined {
    return this.#young.get(session) ?? this.#old.get(session);
  }

  set(session: string, replicaId: string): void {
    this.#young.set(session, replicaId);
    if (this.#young.size <= this.#most / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
