import { type Audience, UNKNOWN_AUDIENCE } from "../cluster/audience.ts";
import { helloAnswer, NODE_PATHS } from "../cluster/node-protocol.ts";
import { pinnedFetch } from "./leader-client.ts";

/** For TCP, TLS and the answer together. */
const HELLO_MS = 10_000;

/** What a worker knows of the process that leads: its calls are made out to that one, and to no other. */
export class LeaderAudience {
  readonly #certificate: string;
  #now: Audience = UNKNOWN_AUDIENCE;

  /** Of the leader. */
  constructor(certificate: string) {
    this.#certificate = certificate;
  }

  /** For the next call. */
  get now(): Audience {
    return this.#now;
  }

  /** The leader refused a call, and said who it is. */
  heard(audience: string): void {
    this.#now = audience;
  }

  /**
   * After a call that the leader took for unsigned: true when it speaks protocol 3, and the next call is made out to nobody.
   * An open question over TLS with the leader's own certificate, so that nobody else can bring that about.
   */
  async isOlder(address: string, signal: AbortSignal): Promise<boolean> {
    const answer = await fetch(`https://${address}${NODE_PATHS.hello}`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(HELLO_MS)]),
      redirect: "manual",
      tls: pinnedFetch(this.#certificate),
    })
      .then((response) => response.json())
      .catch(() => null);
    const older = helloAnswer.safeParse(answer).data?.protocol === 3;
    if (older) this.#now = null;
    return older;
  }
}
