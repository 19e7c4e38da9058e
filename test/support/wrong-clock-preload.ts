/** Before the program, in each of its processes: their clock is wrong by what `WRONG_CLOCK_FILE` says, in ms. See `wrong-clock.ts`. */
import { readFileSync } from "node:fs";

const file = process.env["WRONG_CLOCK_FILE"] ?? "";
const RealDate = Date;
let aheadMs = 0;
const look = (): void => {
  aheadMs = Number(readFileSync(file, "utf8"));
};
look();
setInterval(look, 50).unref();

/** Whoever asks for now gets the wrong one: `Date.now()`, `new Date()`, `Date()`. A moment that is given stays what it is. */
globalThis.Date = new Proxy(RealDate, {
  construct: (_, given, target) =>
    Reflect.construct(RealDate, given.length === 0 ? [RealDate.now() + aheadMs] : given, target) as Date,
  apply: () => new RealDate(RealDate.now() + aheadMs).toString(),
  get: (of, name) => (name === "now" ? () => RealDate.now() + aheadMs : (Reflect.get(of, name) as unknown)),
});
