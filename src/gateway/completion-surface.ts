import type { CompletionDialect } from "../dialect/completion-dialect.ts";

/** One completions API as a client sees it. */
export interface CompletionSurface {
  readonly endpoint: string;
  readonly dialect: CompletionDialect;
  /** What ids of answers begin with. */
  readonly idPrefix: string;
  readonly streamType: string;
}
