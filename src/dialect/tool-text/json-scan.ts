type Expect = "value" | "first key" | "key" | "colon" | "first item" | "after" | "done";

/**
 * Follows one JSON value character by character, and tells where it ends or goes wrong. Strict as `JSON.parse`, so
 * that arguments that were handed out are JSON.
 */
export class JsonScan {
  #expect: Expect = "value";
  readonly #open: ("{" | "[")[] = [];
  /** Text of a string (with its quotes) or of a literal, as far as it has come; null: in neither. */
  #token: string | null = null;

  /** How many characters of `text` belong to the value, and how it stands after them. */
  push(text: string): { readonly taken: number; readonly state: "open" | "done" | "bad" } {
    for (let at = 0; at < text.length; at++) {
      const character = text[at] ?? "";
      const outcome = this.#step(character);
      if (outcome === "bad") return { taken: at, state: "bad" };
      if (outcome === "again") {
        // A number ends before what follows it.
        if (this.#finished) return { taken: at, state: "done" };
        at--;
      } else if (this.#finished) return { taken: at + 1, state: "done" };
    }
    return { taken: text.length, state: "open" };
  }

  get #finished(): boolean {
    return this.#expect === "done";
  }

  #step(character: string): "taken" | "again" | "bad" {
    if (this.#token !== null) return this.#inToken(character);
    if (/[ \t\n\r]/.test(character)) return "taken";
    switch (this.#expect) {
      case "first item":
        if (character === "]") return this.#close("[");
        return this.#begin(character);
      case "value":
        return this.#begin(character);
      case "first key":
        if (character === "}") return this.#close("{");
        return this.#key(character);
      case "key":
        return this.#key(character);
      case "colon":
        if (character !== ":") return "bad";
        this.#expect = "value";
        return "taken";
      default:
        return this.#after(character);
    }
  }

  #begin(character: string): "taken" | "bad" {
    if (character === "{" || character === "[") {
      this.#open.push(character);
      this.#expect = character === "{" ? "first key" : "first item";
      return "taken";
    }
    if (!/["\-0-9tfn]/.test(character)) return "bad";
    this.#expect = "after";
    this.#token = character;
    return "taken";
  }

  #key(character: string): "taken" | "bad" {
    if (character !== '"') return "bad";
    this.#expect = "colon";
    this.#token = character;
    return "taken";
  }

  #after(character: string): "taken" | "bad" {
    const inside = this.#open.at(-1);
    if (character === ",") {
      this.#expect = inside === "{" ? "key" : "value";
      return inside === undefined ? "bad" : "taken";
    }
    if (character === "}") return this.#close("{");
    return character === "]" ? this.#close("[") : "bad";
  }

  #close(bracket: "{" | "["): "taken" | "bad" {
    if (this.#open.pop() !== bracket) return "bad";
    this.#settle();
    return "taken";
  }

  #settle(): void {
    this.#token = null;
    if (this.#expect !== "colon") this.#expect = this.#open.length === 0 ? "done" : "after";
  }

  #inToken(character: string): "taken" | "again" | "bad" {
    const token = this.#token ?? "";
    if (token.startsWith('"')) {
      if (character < " ") return "bad";
      // Only what tells the next character's meaning is kept of a string: megabytes may come.
      const escape = token.slice(1);
      if (escape === "") {
        if (character === '"') this.#settle();
        else if (character === "\\") this.#token = '"\\';
        return "taken";
      }
      const next = escape + character;
      if (!/^\\(["\\/bfnrt]|u[0-9a-fA-F]{0,4})$/.test(next)) return "bad";
      this.#token = next.length === 6 || (next.length === 2 && next !== "\\u") ? '"' : `"${next}`;
      return "taken";
    }
    if (/[-+.eE0-9a-z]/.test(character)) {
      this.#token = token + character;
      return isStartOfLiteral(this.#token) ? "taken" : "bad";
    }
    if (!/^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?)$/.test(token)) return "bad";
    this.#settle();
    return "again";
  }
}

function isStartOfLiteral(text: string): boolean {
  return (
    ["true", "false", "null"].some((word) => word.startsWith(text)) ||
    /^-?((0|[1-9]\d*)(\.\d*)?([eE][-+]?\d*)?)?$/.test(text)
  );
}
