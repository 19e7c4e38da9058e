import { expect, test } from "bun:test";
import { Cancellation, toAbortSignal } from "./cancellation.ts";

test("every listener that is still there hears the end once, in their order", () => {
  const cancellation = new Cancellation();
  const heard: string[] = [];
  const listeners = ["one", "two", "three", "four"].map((name) => () => heard.push(name));
  for (const listener of listeners) cancellation.addEventListener("abort", listener);
  for (const at of [0, 2]) cancellation.removeEventListener("abort", listeners[at] ?? (() => undefined));
  cancellation.abort();
  cancellation.abort();
  expect(heard).toEqual(["two", "four"]);
  expect(cancellation.aborted).toBe(true);
});

test("the platform's signal follows, and is the signal itself where it is one", () => {
  const cancellation = new Cancellation();
  const signal = toAbortSignal(cancellation);
  expect(signal.aborted).toBe(false);
  cancellation.abort();
  expect(signal.aborted).toBe(true);
  expect(toAbortSignal(cancellation).aborted).toBe(true);
  expect(toAbortSignal(signal)).toBe(signal);
});
