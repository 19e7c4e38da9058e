import { expect, test } from "bun:test";
import fc from "fast-check";
import { StopFilter } from "./stop-filter.ts";

function run(stops: readonly string[], pieces: readonly string[]): { text: string; hit: string | null } {
  const filter = new StopFilter(stops);
  let text = "";
  for (const piece of pieces) {
    text += filter.push(piece);
    if (filter.hit !== null) return { text, hit: filter.hit };
  }
  return { text: text + filter.flush(), hit: null };
}

test("text without a stop string comes through whole", () => {
  expect(run(["###"], ["a#", "#b", "##"])).toEqual({ text: "a##b##", hit: null });
});

test("the first stop string wins, not the first in the list", () => {
  expect(run(["late", "soon"], ["a soon and a late one"])).toEqual({ text: "a ", hit: "soon" });
});

test("text that cannot be the start of a stop string goes out at once", () => {
  const filter = new StopFilter(["</end>"]);
  expect(filter.push("hello <")).toBe("hello ");
  expect(filter.push("b>")).toBe("<b>");
});

test("any split of the text cuts it at the same place", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 40 });
  const stop = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 2, maxLength: 4 });
  fc.assert(
    fc.property(letters, fc.array(stop, { maxLength: 3 }), fc.array(fc.nat(40)), (text, stops, cuts) => {
      const borders = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
      const pieces = borders.slice(1).map((end, index) => text.slice(borders[index], end));
      const result = run(stops, pieces);
      const ends = stops.map((item) => text.indexOf(item)).filter((at) => at !== -1);
      if (ends.length === 0) expect(result).toEqual({ text, hit: null });
      // What went out never holds a stop string, and is never cut before the first one starts to appear.
      for (const item of stops) expect(result.text).not.toContain(item);
      expect(text.startsWith(result.text)).toBe(true);
    }),
  );
});
