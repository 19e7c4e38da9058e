const LOOK_EVERY_MS = 1000;

/**
 * Gives back what only the start needed, code above all: about 5 MB. It stops everything for as long as a collection takes,
 * so it waits for a moment in which no request runs.
 */
export function shrinkAfterStart(inFlight: () => number): void {
  const timer = setInterval(() => {
    if (inFlight() > 0) return;
    clearInterval(timer);
    Bun.shrink();
  }, LOOK_EVERY_MS);
  timer.unref();
}
