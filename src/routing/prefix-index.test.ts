import { expect, test } from "bun:test";
import fc from "fast-check";
import { PrefixIndex } from "./prefix-index.ts";
import { promptBlocks } from "./prompt-blocks.ts";
import { SessionMap } from "./session-map.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = fc
  .array(fc.constantFrom("sheep ", "dog ", "hill ", "gate "), { minLength: 0, maxLength: 2000 })
  .map((words) => words.join(""));

test("two prompts share as many blocks as their common beginning has, whatever comes after", () => {
  fc.assert(
    fc.property(text, text, text, (shared, one, other) => {
      const [first, second] = [promptBlocks(bytesOf(`${shared}1${one}`)), promptBlocks(bytesOf(`${shared}2${other}`))];
      let common = 0;
      while (common < first.hashes.length && first.hashes[common] === second.hashes[common]) common += 1;
      const known = common === 0 ? 0 : (first.ends[common - 1] ?? 0);
      expect(known).toBeLessThanOrEqual(shared.length);
      // What is lost of it is less than a block, and blocks are an eighth of what came before them, or the first size.
      expect(known).toBeGreaterThan(Math.min(shared.length, first.bytes, second.bytes) * 0.8 - 520);
    }),
    { numRuns: 50 },
  );
});

test("a prompt is known where it was given, as far as it is the same, and nowhere else", () => {
  fc.assert(
    fc.property(text, text, (shared, more) => {
      const index = new PrefixIndex();
      const blocks = promptBlocks(bytesOf(shared));
      index.give("a", blocks);
      const matches = index.match(promptBlocks(bytesOf(shared + more)));
      expect(matches).toEqual(blocks.ends.length === 0 ? [] : [{ replicaId: "a", bytes: blocks.ends.at(-1) ?? 0 }]);
      expect(index.match(promptBlocks(bytesOf(`x${shared}`)))).toEqual([]);
      index.forget("a");
      expect(index.match(blocks)).toEqual([]);
    }),
    { numRuns: 50 },
  );
});

test("the replica that knows more comes first", () => {
  const index = new PrefixIndex();
  const whole = "the flock and the dog ".repeat(400);
  index.give("short", promptBlocks(bytesOf(whole.slice(0, 2000))));
  index.give("long", promptBlocks(bytesOf(whole.slice(0, 7000))));
  const matches = index.match(promptBlocks(bytesOf(whole)));
  expect(matches.map(({ replicaId }) => replicaId)).toEqual(["long", "short"]);
});

test("however much is given, what is kept is bounded, and what is used is kept", () => {
  const index = new PrefixIndex(2_000);
  const used = promptBlocks(bytesOf("this one is asked for again and again ".repeat(300)));
  index.give("a", used);
  for (let prompt = 0; prompt < 2_000; prompt += 1) {
    index.give("b", promptBlocks(bytesOf(`${prompt} is asked for once `.repeat(300))));
    if (prompt % 20 === 0) index.give("a", used);
    expect(index.blocks).toBeLessThanOrEqual(2_000 + used.hashes.length * 2);
  }
  expect(index.match(used)[0]?.replicaId).toBe("a");
  expect(index.match(promptBlocks(bytesOf("0 is asked for once ".repeat(300))))).toEqual([]);
});

test("what engines say of cached tokens corrects how long a replica is believed to keep a prompt", () => {
  const index = new PrefixIndex();
  const prompt = promptBlocks(bytesOf("a conversation of some length ".repeat(400)));
  const fill = (): void => {
    for (let other = 0; other < 40; other += 1)
      index.give("a", promptBlocks(bytesOf(`${other} ${Math.random()} something else `.repeat(300))));
  };
  index.correct("a", index.give("a", prompt), prompt.bytes, 0);
  // An engine that never says anything of its cache is not doubted.
  fill();
  index.correct("a", index.give("a", prompt), prompt.bytes, 0);
  fill();
  expect(index.match(prompt)).not.toEqual([]);
  // One that does, and says that it is gone: what is as old as that is not believed to be there.
  index.correct("a", index.give("a", prompt), prompt.bytes, 0.9);
  for (let round = 0; round < 6; round += 1) {
    fill();
    index.correct("a", index.give("a", prompt), prompt.bytes, 0);
  }
  expect(index.match(prompt)[0]?.replicaId).toBe("a");
  fill();
  fill();
  expect(index.match(prompt)).toEqual([]);
});

test("sessions are bounded, and those that are used stay", () => {
  const sessions = new SessionMap(100);
  for (let number = 0; number < 1000; number += 1) {
    sessions.set(`s${number}`, "a");
    sessions.set("mine", "b");
    expect(sessions.size).toBeLessThanOrEqual(102);
  }
  expect(sessions.get("mine")).toBe("b");
  expect(sessions.get("s999")).toBe("a");
  expect(sessions.get("s1")).toBeUndefined();
});
