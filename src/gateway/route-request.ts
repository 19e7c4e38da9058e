import { mayUseModel } from "../core/model-rights.ts";
import type { Replica } from "../core/replica.ts";
import type { Account } from "./account.ts";
import { BodyWants } from "./body-wants.ts";
import { readConversation } from "./conversation.ts";
import type { Conversation, QueuePlace, RouteAsk } from "../core/route-ask.ts";

const LARGE_TOKENS = 16_384;

/** One request as the router sees it; what costs something is read only when it is asked for. */
export class RouteRequest implements RouteAsk {
  model: string;
  readonly #account: Account;
  readonly #patience: { readonly patient: boolean };
  readonly #wants: BodyWants;
  #conversation: Conversation | null = null;
  #images: boolean | null = null;

  /** `patience`: whether it waits for an engine that is starting. */
  constructor(account: Account, model: string, patience: { readonly patient: boolean }) {
    this.#account = account;
    this.#patience = patience;
    this.#wants = new BodyWants(account.body);
    this.model = model;
  }

  get patient(): boolean {
    return this.#patience.patient;
  }

  get requestId(): string {
    return this.#account.requestId;
  }

  get keyId(): string {
    return this.#account.principal?.keyId ?? "";
  }

  get batch(): boolean {
    return this.#account.principal?.priority === "batch";
  }

  get promptTokens(): number {
    const { promptTokensEstimate } = this.#account;
    // Large bodies are often images, whose bytes say nothing of their tokens.
    return promptTokensEstimate < LARGE_TOKENS
      ? promptTokensEstimate
      : Math.min(promptTokensEstimate, this.#wants.promptTokens());
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
    this.#images ??= this.#wants.images();
    return this.#images;
  }

  /** Could this replica of another model answer it? */
  fits({ model, abilities, contextTokens }: Replica): boolean {
    const { need, principal } = this.#account;
    if (need === null || !mayUseModel(principal?.models ?? [], model, model)) return false;
    if (need.chat && !abilities.chat) return false;
    if (need.embeddings || need.rerank === true) return false;
    if (contextTokens < this.promptTokens) return false;
    if (!abilities.images && this.hasImages()) return false;
    return abilities.tools || !this.#wants.tools();
  }

  queued(place: QueuePlace): void {
    this.#account.place = place;
    this.#account.queuedAtMs = performance.now();
    this.#account.hangUp?.tick();
  }
}
