import type { JsonObject } from "../core/chat-request.ts";

export type Items = readonly JsonObject[];

/** A response that the client may build on by `previous_response_id`. */
export interface FinishedResponse {
  readonly id: string;
  /** What `resolve` gave for the response that this one continues (the very array); empty for the first of a conversation. */
  readonly history: Items;
  /** What is new: the input's items, then the output's. */
  readonly items: Items;
  /** How many of `items` are the input's. */
  readonly inputs: number;
  /** The response as the client got it, without its output. */
  readonly head: JsonObject;
}

/** A response as it can be shown again. */
export interface KeptResponse {
  readonly head: JsonObject;
  /** What it answered: the conversation before it, then its own input. */
  readonly input: Items;
  readonly output: Items;
}

/**
 * Conversations of the Responses API, each under the key that had it: to any other key its ids are unknown. Promises,
 * so that a database can stand behind it; whoever reads must live with what was kept being gone.
 */
export interface ResponseStore {
  /** False: it was too large to keep. */
  put(keyId: string, response: FinishedResponse): Promise<boolean>;
  /** All items up to and with this response, oldest first; null: unknown, forgotten, or another key's. */
  resolve(keyId: string, responseId: string): Promise<Items | null>;
  /** The response itself; null as above. */
  get(keyId: string, responseId: string): Promise<KeptResponse | null>;
  /** One item of a kept response, for `item_reference`. */
  item(keyId: string, itemId: string): Promise<JsonObject | null>;
  /** Forgets a response; what continues it still holds what was said. False: unknown. */
  delete(keyId: string, responseId: string): Promise<boolean>;
}
