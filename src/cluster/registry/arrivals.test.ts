import { expect, test } from "bun:test";
import { openTestStore, until } from "../../store/test-store.ts";
import { Arrivals, neverSeen } from "./arrivals.ts";
import { handlersRig, joinNode, registration } from "./test-handlers.ts";
import { beatOf, stateOf } from "./test-registry.ts";

test("an empty node whose leader is killed before it was given a model gets one of the next leader", async () => {
  await using t = await openTestStore();
  const { book, handlers } = await handlersRig(t);
  const { node } = await joinNode(handlers);
  await joinNode(handlers, { machine: "b".repeat(64), assign: false });
  // The leader is killed here; what follows is the next one.
  const next = await handlersRig(t);
  const asked: string[] = [];
  let store = (): Promise<void> => Promise.reject(new Error("the database is away"));
  const left = neverSeen(next.book.list());
  expect(left).toEqual([node]);
  const arrivals = new Arrivals({ registry: next.registry, wants: () => true, log: () => undefined }, left);
  arrivals.begin(async (one) => {
    asked.push(one);
    await store();
  });
  for (const stored of next.book.list()) next.registry.admit(stored, "lan");
  next.registry.beat(node, beatOf(stateOf(node, [])));
  await until(() => asked.length === 1);
  // Not lost with a store that does not take it: the next change asks again.
  await Bun.sleep(0);
  expect(arrivals.has(node)).toBe(true);
  store = async () => undefined;
  next.registry.beat(node, beatOf(stateOf(node, [], 2)));
  await until(() => !arrivals.has(node));
  expect(asked).toEqual([node, node]);
  await next.book.markSeen([{ id: node, at: 5, inventory: {} }]);
  expect(neverSeen(next.book.list())).toEqual([]);
  // A machine that joins anew may have lost what it had.
  await book.register(registration(), "join token");
  expect(neverSeen(book.list())).toEqual([node]);
});
