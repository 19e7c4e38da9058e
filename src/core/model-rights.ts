/**
 * Whether a list of models allows one: an entry is an id, an alias or a pattern in which `*` stands for any characters,
 * and it is met by the name that the client used or by the id of the model behind it. An empty list allows all.
 */
export function mayUseModel(allowed: readonly string[], asked: string, model: string): boolean {
  if (allowed.length === 0) return true;
  for (const entry of allowed) {
    if (entry === asked || entry === model) return true;
    if (entry.includes("*") && (matches(entry, asked) || matches(entry, model))) return true;
  }
  return false;
}

/** Without regular expressions: an admin's pattern and a client's name together must not take more than a moment. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  const [first = ""] = parts;
  const last = parts.at(-1) ?? "";
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
