import type { Failure } from "../core/failure.ts";
import { sumUsage, type TokenUsage } from "../core/token-usage.ts";
import type { UsageRecord } from "../core/usage-record.ts";
import { Account } from "./account.ts";
import type { Client } from "./hang-up.ts";
import type { GatewayDeps } from "./ports.ts";
import type { Relay } from "./relay.ts";
import type { PulledAnswer } from "./stream-reply.ts";
import { StreamedAnswer } from "./streamed-answer.ts";
import type { Ticker } from "./ticker.ts";

export interface ChoicesOptions {
  readonly deps: GatewayDeps;
  readonly ticker: Ticker;
  /** Of the whole request. Settled once, with what all choices took together. */
  readonly account: Account;
  readonly model: string;
  readonly client: Client;
  /** One for each choice. */
  readonly relays: readonly Relay[];
}

/** What all choices of a request were granted together. */
interface Share {
  extend(): boolean | Promise<boolean>;
  left(): number;
}

/** One choice that an engine is answering, with books of its own that are closed into the request's. */
class Part {
  readonly relay: Relay;
  readonly answer: StreamedAnswer;
  readonly #account: Account;
  /** What its books said when they were closed. */
  record: UsageRecord | null = null;
  outputTokens = 0;

  constructor({ deps, ticker, account, model, client }: ChoicesOptions, relay: Relay, share: Share) {
    const books = {
      usage: {
        append: (record: UsageRecord) => {
          this.record = record;
          return Promise.resolve();
        },
      },
      metrics: UNMEASURED,
      node: deps.node,
    };
    this.relay = relay;
    this.#account = new Account(books, account.requestId, account.protocol, account.endpoint);
    this.#account.principal = account.principal;
    this.#account.adjustedBefore = account.adjustedBefore;
    this.#account.need = account.need;
    this.#account.body = account.body;
    this.#account.headers = account.headers;
    this.#account.promptTokensEstimate = account.promptTokensEstimate;
    this.#account.grants = [
      {
        extend: (tokens) => {
          this.outputTokens = tokens;
          return share.extend();
        },
        granted: () => this.outputTokens + share.left(),
        release: () => undefined,
      },
    ];
    this.answer = new StreamedAnswer(deps, ticker, this.#account, relay, model, client);
  }

  async open(whole: Account): Promise<Failure | null> {
    const failure = await this.answer.open();
    const { choice, adjusted, attempts, firstContentMs } = this.#account;
    whole.choice ??= choice;
    if (whole.adjusted === "") whole.adjusted = adjusted;
    whole.attempts += attempts;
    if (firstContentMs !== null) whole.sawContent();
    return failure;
  }
}

const nothing = (): void => undefined;
const UNMEASURED = { requestStarted: nothing, requestEnded: nothing, streamOpened: nothing, streamClosed: nothing };

/** So many choices of one request are with engines at once: others want an answer too. */
const AT_ONCE = 4;

/** The choices of one request: as one stream, one after the other, or gathered. The account is settled exactly once. */
export class ChoiceAnswers implements PulledAnswer {
  readonly #options: ChoicesOptions;
  readonly #parts: Part[] = [];
  #current: Part | null = null;
  #onTick: PulledAnswer["onTick"] = null;

  constructor(options: ChoicesOptions) {
    this.#options = options;
  }

  get waiting(): boolean {
    return this.#current?.answer.waiting ?? false;
  }

  get onTick(): PulledAnswer["onTick"] {
    return this.#onTick;
  }

  set onTick(look: PulledAnswer["onTick"]) {
    this.#onTick = look;
    if (this.#current) this.#current.answer.onTick = look;
  }

  /** What the choices took so far. */
  get usage(): TokenUsage {
    return sumUsage(this.#parts.flatMap(({ record }) => (record ? [record] : [])));
  }

  /** Opens the stream's first choice; see `StreamedAnswer.open`. */
  async open(): Promise<Failure | null> {
    const part = this.#begin(0);
    this.#current = part;
    part.answer.onTick = this.#onTick;
    return await part.open(this.#options.account);
  }

  async next(): Promise<Uint8Array | null> {
    const { account, relays } = this.#options;
    while (this.#current) {
      const part = this.#current;
      const bytes = await part.answer.next();
      const failure = part.answer.failure ?? (part.record?.outcome === "cancelled" ? CANCELLED : null);
      if (failure) {
        this.#current = null;
        await account.fail(failure, 200, this.usage, this.#outputTokens());
        return bytes;
      }
      const last = this.#parts.length === relays.length;
      if (last && part.record) {
        this.#current = null;
        await account.succeed(this.usage, 0);
        return bytes;
      }
      if (bytes) return bytes;
      const following = this.#begin(this.#parts.length);
      this.#current = following;
      following.answer.onTick = this.#onTick;
      const unopened = await following.open(account);
      if (!unopened) continue;
      this.#current = null;
      await account.fail(unopened, 200, this.usage, this.#outputTokens());
      return unopened.kind === "cancelled" ? null : following.relay.failBeforeStart(unopened);
    }
    return null;
  }

  cancel(): void {
    for (const part of this.#parts) part.answer.cancel();
    this.#current = null;
    void this.#options.account.fail(CANCELLED, 499, this.usage, this.#outputTokens());
  }

  /** All choices to their ends, without a stream. The caller settles the account. */
  async gather(): Promise<Failure | null> {
    const { account, relays } = this.#options;
    let at = 0;
    let failed: Failure | null = null;
    const work = async (): Promise<void> => {
      while (at < relays.length && failed === null) {
        const part = this.#begin(at);
        at += 1;
        let failure = await part.open(account);
        // Nothing comes out of it but its end.
        if (failure === null) while ((await part.answer.next()) !== null);
        failure ??= part.answer.failure ?? (part.record?.outcome === "ok" ? null : CANCELLED);
        if (failure === null || failed !== null) continue;
        failed = failure;
        for (const other of this.#parts) other.answer.cancel();
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, relays.length) }, work));
    return failed;
  }

  #begin(at: number): Part {
    const relay = this.#options.relays[at];
    if (!relay) throw new Error(`there is no choice ${at}`);
    const part = new Part(this.#options, relay, {
      extend: () => this.#options.account.extend(this.#outputTokens()),
      left: () => this.#options.account.grantedTokens - this.#outputTokens(),
    });
    this.#parts.push(part);
    return part;
  }

  #outputTokens(): number {
    return this.#parts.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
  }
}

const CANCELLED: Failure = { kind: "cancelled" };
