import { expect, test } from "bun:test";
import { Requests } from "./requests.ts";

test("an outcome is counted once, and a hang-up as an abort whatever came of it", () => {
  const requests = new Requests();
  const client = new AbortController();
  const finished = requests.begin(client.signal);
  finished.end("finished");
  finished.end("failed");
  const aborted = requests.begin(client.signal);
  client.abort();
  expect(aborted.signal.aborted).toBe(true);
  aborted.end("finished");
  expect(requests.counters).toMatchObject({
    requestsStarted: 2,
    requestsFinished: 1,
    requestsAborted: 1,
    requestsFailed: 0,
  });
});

test("a client that was gone before the start is noticed", () => {
  expect(new Requests().begin(AbortSignal.abort()).signal.aborted).toBe(true);
});

test("drain ends at once when nothing runs, and aborts what outlasts the grace", async () => {
  const requests = new Requests();
  await requests.drain(60_000);
  const slow = requests.begin(new AbortController().signal);
  slow.signal.addEventListener("abort", () => slow.end("failed"));
  await requests.drain(1);
  expect(slow.signal.aborted).toBe(true);
  expect(requests.counters.requestsAborted).toBe(1);
});
