import type { JsonObject, JsonValue } from "../core/chat-request.ts";
import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";
import type { ChatDialect } from "../dialect/dialect.ts";
import type { WireDialect } from "../engine/driver.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import type { Account } from "./account.ts";

/** One chat API as a client sees it. A new one is a file that fills this in, and a line in the app. */
export interface ChatSurface {
  readonly endpoint: string;
  readonly dialect: ChatDialect;
  /** Engines of this dialect get the client's bytes passed through; null: always translate. */
  readonly passthrough: WireDialect | null;
  /** What ids of answers begin with. */
  readonly idPrefix: string;
  /** Where a client limits the answer's length, `a.b` for a member of a member; the first that is there counts. */
  readonly maxTokensFields: readonly string[];
  /** What an absent `stream` means. */
  readonly streamsByDefault: boolean;
  readonly streamType: string;
  /** What every parser of this surface skips, between two frames. */
  readonly keepAlive: Uint8Array;
  /** For APIs whose requests are more than their bytes: state kept here, fields that only this server understands. */
  readonly prepare?: (body: ScannedBody, account: Account) => Prepared | Promise<Prepared>;
}

export type Prepared = Result<PreparedChat, Failure>;

export interface PreparedChat {
  /** Instead of the client's body. */
  readonly body?: JsonValue;
  /** Instead of the surface's. */
  readonly dialect?: ChatDialect;
  /** What answers of this API repeat of their request. */
  readonly echo?: JsonObject;
  readonly adjusted?: readonly string[];
  /** Runs when the answer is whole, before its last bytes go out. */
  readonly onSuccess?: () => Promise<void>;
}

export const SSE = "text/event-stream; charset=utf-8";
