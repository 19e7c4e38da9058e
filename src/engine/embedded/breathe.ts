/** As long as the event loop may be kept from the sockets. */
const LONGEST_MS = 10;

let lastTurnMs = 0;
let turn: Promise<void> | null = null;

/**
 * Lets the event loop look at its sockets now and then. With a small model the next result of a worker thread is always
 * there already: the loop goes from one to the next, and a new request or a hang-up is not seen before all answers are
 * written. All answers wait for the same turn, else those that do not would keep the loop busy. Null: no need now.
 */
export function breathe(): Promise<void> | null {
  if (turn !== null) return turn;
  if (performance.now() - lastTurnMs < LONGEST_MS) return null;
  turn = new Promise((resolve) => {
    setImmediate(() => {
      lastTurnMs = performance.now();
      turn = null;
      resolve();
    });
  });
  return turn;
}
