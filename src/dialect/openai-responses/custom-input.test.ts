import { expect, test } from "bun:test";
import fc from "fast-check";
import { endInput, fromCustomArguments, NO_INPUT, stepInput, toCustomArguments } from "./custom-input.ts";

test("a custom tool's text comes out the same, however its JSON is cut and spaced", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.array(fc.nat({ max: 60 }), { maxLength: 8 }),
      fc.constantFrom("", " ", "\n  "),
      (text, cuts, space) => {
        const json = `{${space}"input":${space}${JSON.stringify(text)}${space}}`;
        let state = NO_INPUT;
        let streamed = "";
        let start = 0;
        for (const cut of [...cuts, json.length].sort((a, b) => a - b)) {
          const [next, more] = stepInput(state, json.slice(start, cut));
          state = next;
          streamed += more;
          start = Math.max(start, cut);
        }
        const { input, missing } = endInput(state);
        expect(input).toBe(text);
        expect(streamed + missing).toBe(text);
        expect(fromCustomArguments(toCustomArguments(text))).toBe(text);
      },
    ),
    { numRuns: 300 },
  );
});

test.each([
  ['{"patch":"x"}', '{"patch":"x"}'],
  ['{"other":1,"input":"x"}', "x"],
  ["raw text", "raw text"],
  ['"x"', "x"],
  ["{}", ""],
  ["", ""],
  ['{"input":"a\nb"}', "a\nb"],
  ['{"input":"half', "half"],
])("arguments %j of another form than the schema's are the text %j", (json, text) => {
  expect(endInput(stepInput(NO_INPUT, json)[0]).input).toBe(text);
});
