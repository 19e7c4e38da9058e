/**
 * A schema that is built when it is first asked for. Built at the start, the schemas of all APIs would be a sixth of what a
 * start computes, and most processes never see a body of most of them.
 */
export function later<T>(build: () => T): () => T {
  let built: T | null = null;
  return () => (built ??= build());
}
