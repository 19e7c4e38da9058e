/** 0 ok, 1 failure, 2 usage, 3 not running, 4 not authorised, 5 not found: scripts build on these. */
export const EXIT = { ok: 0, failure: 1, usage: 2, notRunning: 3, notAuthorised: 4, notFound: 5 } as const;

/** Why a command did not do its work. Rendered in one place: `✗ message`, then the line that mends it. */
export interface CliFailure {
  readonly exitCode: Exclude<(typeof EXIT)[keyof typeof EXIT], 0>;
  /** One line, without a full stop. Empty: the user broke off, which needs no words. */
  readonly message: string;
  /** A command where one mends it, else one line that says what to do. */
  readonly mend?: string;
  /** The admin API's code, where the failure came from there. */
  readonly code?: string;
  /** Further things wrong, where several were found at once. */
  readonly also?: readonly { readonly message: string; readonly mend?: string }[];
}

/** Thrown by a way to the server that leads nowhere, with the words for it. */
export class NoWay extends Error {
  readonly failure: CliFailure;
  constructor(failure: CliFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export function usageFailure(message: string, mend: string): CliFailure {
  return { exitCode: EXIT.usage, message, mend };
}

export const BROKEN_OFF: CliFailure = { exitCode: EXIT.failure, message: "" };
