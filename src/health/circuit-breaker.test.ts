import { expect, test } from "bun:test";
import { CircuitBreaker } from "./circuit-breaker.ts";

const times = { failures: 3, shutMs: 100, mostShutMs: 400 };

test("three failures in a row open it, two and a success do not", () => {
  const breaker = new CircuitBreaker(times);
  breaker.failed(0);
  breaker.failed(0);
  breaker.succeeded();
  breaker.failed(0);
  breaker.failed(0);
  expect(breaker.shutUntilMs(0)).toBe(0);
  breaker.failed(0);
  expect(breaker.shutUntilMs(1)).toBe(100);
});

test("half-open lets one pass, and its success closes it", () => {
  const breaker = new CircuitBreaker(times);
  breaker.trip(0);
  expect(breaker.shutUntilMs(99)).toBe(100);
  expect(breaker.shutUntilMs(100)).toBe(0);
  breaker.passed(1_000);
  expect(breaker.shutUntilMs(101)).toBeGreaterThan(101);
  breaker.succeeded();
  expect(breaker.shutUntilMs(102)).toBe(0);
  expect(breaker.isClosed).toBe(true);
});

test("a trial that fails opens it for twice as long, up to a limit", () => {
  const breaker = new CircuitBreaker(times);
  breaker.trip(0);
  const rests: number[] = [];
  let now = 0;
  for (let trial = 0; trial < 4; trial++) {
    now = breaker.shutUntilMs(now);
    expect(breaker.shutUntilMs(now)).toBe(0);
    breaker.passed(now + 1);
    breaker.failed(now);
    rests.push(breaker.shutUntilMs(now) - now);
  }
  expect(rests).toEqual([200, 400, 400, 400]);
});

test("a trial whose client left lets the next one try", () => {
  const breaker = new CircuitBreaker(times);
  breaker.trip(0);
  expect(breaker.shutUntilMs(100)).toBe(0);
  breaker.passed(1_000);
  breaker.undecided();
  expect(breaker.shutUntilMs(101)).toBe(0);
});

test("failures of requests that passed before it opened do not prolong it", () => {
  const breaker = new CircuitBreaker(times);
  breaker.trip(0);
  breaker.failed(90);
  expect(breaker.shutUntilMs(91)).toBe(100);
});
