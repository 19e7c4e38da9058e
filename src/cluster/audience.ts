/**
 * Who a signed call is made out to: the one process that may take it. Random, new for each process that takes calls, so what
 * was recorded before a restart is worth nothing after it, and nothing at a second process that serves beside the first. It is
 * no secret. Null: the other side speaks protocol 3, whose signatures name nobody.
 */
export type Audience = string | null;

/** Made out to nobody: whoever is called does not take it, and says who it is. */
export const UNKNOWN_AUDIENCE = "-";

/** On an answer that refuses a call made out to another process: who answers here. A proxied answer never has it. */
export const AUDIENCE_HEADER = "x-flock-audience";

/** How often a call is made out at most. During a hand-over it may come to either of two processes. */
export const MOST_TRIES = 4;

export const AUDIENCE_PATTERN = /^[A-Za-z0-9]{8,32}$/;
