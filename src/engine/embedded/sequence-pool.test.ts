import { expect, test } from "bun:test";
import type { Token } from "node-llama-cpp";
import { SequencePool, type PooledSequence } from "./sequence-pool.ts";

interface Named extends PooledSequence {
  readonly name: string;
}

const PROMPT: Token[] = [];
const never = new AbortController().signal;

function sequence(name: string, shared: number, length = shared): Named {
  return { name, nextTokenIndex: length, compareContextTokens: () => ({ firstDifferentIndex: shared }) };
}

test("the free sequence with the longest shared prefix is taken", async () => {
  const pool = new SequencePool([sequence("a", 3), sequence("b", 9), sequence("c", 5)]);
  expect((await pool.acquire(PROMPT, never)).name).toBe("b");
  expect((await pool.acquire(PROMPT, never)).name).toBe("c");
});

test("a long state is not given up for a short prefix", async () => {
  const pool = new SequencePool([sequence("idle longest", 0), sequence("long", 40, 1000), sequence("fitting", 20, 30)]);
  expect((await pool.acquire(PROMPT, never)).name).toBe("fitting");
  expect((await pool.acquire(PROMPT, never)).name).toBe("idle longest");
  expect((await pool.acquire(PROMPT, never)).name).toBe("long");
});

test("of equals the one that was idle longest is taken", async () => {
  const [a, b] = [sequence("a", 0), sequence("b", 0)];
  const pool = new SequencePool([a, b]);
  await pool.acquire(PROMPT, never);
  pool.release(a);
  expect(await pool.acquire(PROMPT, never)).toBe(b);
});

test("who waits is served in the order of arrival", async () => {
  const only = sequence("a", 0);
  const pool = new SequencePool([only]);
  await pool.acquire(PROMPT, never);
  const order: number[] = [];
  const waiting = [1, 2, 3].map(async (n) => {
    const taken = await pool.acquire(PROMPT, never);
    order.push(n);
    pool.release(taken);
  });
  pool.release(only);
  await Promise.all(waiting);
  expect(order).toEqual([1, 2, 3]);
});

test("who gives up waiting leaves at once, and nobody loses a turn", async () => {
  const only = sequence("a", 0);
  const pool = new SequencePool([only]);
  await pool.acquire(PROMPT, never);
  const impatient = new AbortController();
  const leaving = pool.acquire(PROMPT, impatient.signal);
  const patient = pool.acquire(PROMPT, never);
  impatient.abort(new Error("gone"));
  expect(leaving).rejects.toThrow("gone");
  pool.release(only);
  expect(await patient).toBe(only);
});

test("a signal that has fired takes nothing", async () => {
  const pool = new SequencePool([sequence("a", 0)]);
  expect(pool.acquire(PROMPT, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
  expect((await pool.acquire(PROMPT, never)).name).toBe("a");
});
