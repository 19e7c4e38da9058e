/** Undone in reverse order when the start fails. */
export type CleanUp = (() => Promise<unknown> | void)[];

export async function undo(cleanUp: CleanUp): Promise<void> {
  // The failure that led here is the one to tell; a second one on the way back must not hide it.
  for (const step of cleanUp.toReversed()) await Promise.resolve(step()).catch(() => undefined);
}
