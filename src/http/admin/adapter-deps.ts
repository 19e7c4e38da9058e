import type { Principal } from "../../core/principal.ts";
import type { Result } from "../../core/result.ts";
import type { AdminFailure } from "./deps.ts";

/** A LoRA adapter that is served. */
export interface AdapterView {
  /** What clients ask for. */
  readonly model: string;
  readonly parent: string;
  readonly node: string;
  readonly engine: string;
}

/** Mutations write their audit row. */
export interface AdminAdapters {
  list(): readonly AdapterView[];
  /** Onto every engine that serves the model and takes adapters; on one node only when it is named. */
  add(
    wish: { readonly model: string; readonly adapter: string; readonly node: string | null },
    actor: Principal,
  ): Promise<Result<readonly AdapterView[], AdminFailure>>;
  remove(model: string, actor: Principal): Promise<Result<readonly AdapterView[], AdminFailure>>;
}
