export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Null: it is none. */
export function parsePortRange(text: string): PortRange | null {
  const [, from, to] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.trim()) ?? [];
  if (from === undefined) return null;
  const [first, last] = [Number(from), Number(to ?? from)];
  return first >= 1 && last <= 65_535 && first <= last ? { first, last } : null;
}
