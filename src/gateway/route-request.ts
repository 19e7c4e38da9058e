import type { Account } from "./account.ts";
import { readConversation } from "./conversation.ts";
import type { Conversation, QueuePlace, RouteAsk } from "./ports.ts";

/** One request as the router sees it; what costs something is read only when it is asked for. */
export class RouteRequest implements RouteAsk {
  readonly model: string;
  readonly #account: Account;
  #conversation: Conversation | null = null;

  constructor(account: Account, model: string) {
    this.#account = account;
    this.model = model;
  }

  get keyId(): string {
    return this.#account.principal?.keyId ?? "";
  }

  get batch(): boolean {
    return this.#account.principal?.priority === "batch";
  }

  get promptTokens(): number {
    return this.#account.promptTokensEstimate;
  }

  get maxOutputTokens(): number | null {
    return this.#account.maxOutputTokens;
  }

  conversation(): Conversation {
    const { headers, body } = this.#account;
    this.#conversation ??= readConversation(this.keyId, headers, body);
    return this.#conversation;
  }

  hasImages(): boolean {
    return this.#account.body !== null && hasImages(this.#account.body.bytes);
  }

  queued(place: QueuePlace): void {
    this.#account.place = place;
    this.#account.hangUp?.tick();
  }
}

/** Where images are named, in the request bodies of each API. */
const IMAGE_MARKS = ['"image_url"', '"input_image"', '"image"', '"images"'];

/** Text that speaks of such marks has its quotes escaped, so that none is taken for one. */
function hasImages(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return IMAGE_MARKS.some((mark) => buffer.includes(mark));
}
