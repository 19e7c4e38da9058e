/** What a conversation can be known by, so that it goes where its beginning is in the cache. */
export interface Conversation {
  /** The client's own name for it, with its key; "" for none. */
  readonly session: string;
  /** The bytes of the prompt, from its beginning, without what changes from turn to turn. */
  readonly prompt: Uint8Array;
}

/** A request that looks for a replica: what the gateway asks, and routing answers. */
export interface RouteAsk {
  readonly requestId: string;
  readonly model: string;
  readonly keyId: string;
  /** It can wait: interactive requests go before it. */
  readonly batch: boolean;
  /** A guess. */
  readonly promptTokens: number;
  /** The client's own limit on the answer; null: none. */
  readonly maxOutputTokens: number | null;
  /** It waits for an engine that is starting: nobody else could answer meanwhile. */
  readonly patient: boolean;
  /** Read once, and only where replicas compete. */
  conversation(): Conversation;
  /** Read only where some replicas of the model see images and others do not. */
  hasImages(): boolean;
  /** Called when it has to wait for a slot. */
  queued(place: QueuePlace): void;
}

/** Where a request stands that waits. */
export interface QueuePlace {
  /** 1 is next; 0: it does not wait any more. */
  position(): number;
}
