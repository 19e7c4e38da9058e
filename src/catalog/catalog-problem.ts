/** Why an entry, or a part of it, is not used. It never keeps the rest from being used. */
export interface CatalogProblem {
  readonly file: string;
  /** Null: the whole file, or the directory. */
  readonly line: number | null;
  readonly message: string;
}
