/** One model of the catalogue, and what else it is called: aliases, and names with their source (`hf:…`, `ollama:…`). */
export interface SourceRow {
  readonly id: string;
  readonly names: readonly string[];
}

const SOURCED = /^(?:ollama|hf|file):/i;
/** What can stand in a command that somebody copies into a shell. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$/;

/** Which model is meant by the name of a file, a repository or a tag; and how to get one that is not here. */
export class ModelSources {
  readonly #ids = new Map<string, string>();

  constructor(rows: Iterable<SourceRow>) {
    for (const { id, names } of rows) {
      this.#ids.set(id, id);
      for (const name of names) this.#ids.set(name.toLowerCase(), id);
    }
  }

  /** Ids under which a loaded model may go by this name, the surest first; none for a plain unknown name. */
  idsOf(name: string): readonly string[] {
    const lower = name.toLowerCase();
    const listed = this.#ids.get(lower) ?? this.#ids.get(`${lower}:latest`);
    const ids = listed === undefined ? [] : [listed];
    if (!SOURCED.test(name)) return ids;
    const last = lower.replace(SOURCED, "").split(/[/\\]/).at(-1) ?? "";
    // `hf:owner/repository:file.gguf`, and `hf:owner/repository:Q4_K_M`, where the last part only picks a file.
    const [head = "", tail] = last.split(":");
    for (const part of tail?.endsWith(".gguf") ? [tail] : [last, head]) {
      const stem = part.replace(/(-00001-of-\d{5})?\.gguf$/, "");
      ids.push(stem, stem.replace(/-gguf$/, ""));
    }
    return ids;
  }

  /** For a name that says where the model comes from, or that the catalogue has. */
  addCommand(name: string): string | null {
    const known = this.#ids.get(name.toLowerCase());
    if (known !== undefined && !SOURCED.test(name)) return `flock model add ${known}`;
    return SOURCED.test(name) && PLAIN.test(name) ? `flock model add ${name}` : null;
  }
}
