/** The program on a machine whose clock is wrong by what `WRONG_CLOCK_FILE` says, in ms. See `wrong-clock.ts`. */
import { readFileSync } from "node:fs";

const file = process.env["WRONG_CLOCK_FILE"] ?? "";
const real = Date.now;
let aheadMs = 0;
const look = (): void => {
  aheadMs = Number(readFileSync(file, "utf8"));
};
look();
setInterval(look, 50).unref();
Date.now = () => real() + aheadMs;
await import("../../src/main.ts");
