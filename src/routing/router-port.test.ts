import { expect, test } from "bun:test";
import { systemRouterClock } from "./router-port.ts";

test("a wait without an end does not run at once", async () => {
  let ran = false;
  const cancel = systemRouterClock.after(Number.MAX_SAFE_INTEGER, () => (ran = true));
  const later = Promise.withResolvers<void>();
  systemRouterClock.after(5, later.resolve);
  await later.promise;
  cancel();
  expect(ran).toBe(false);
});
