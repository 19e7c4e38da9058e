import { expect, test } from "bun:test";
import fc from "fast-check";
import { groupOf, rowOf, type UsageGroup, type UsageRecord, type UsageRow } from "../core/usage-record.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { RunReader, RunWriter } from "./journal-line.ts";

interface Found {
  readonly group: UsageGroup;
  readonly row: UsageRow;
}

/** Each request's group and row, in the order of the lines. */
function read(text: string, reader = new RunReader()): Found[] {
  expect(text === "" || text.endsWith("\n")).toBe(true);
  const lines = text.split("\n").slice(0, -1);
  return lines.flatMap((line) => {
    const run = reader.read(line);
    if (run === null) throw new Error(`not a whole line: ${line}`);
    return run.rows.map((row) => ({ group: run.group, row }));
  });
}

const parts = (one: UsageRecord): Found => ({ group: groupOf(one), row: rowOf(one) });

test("what is written reads back, whatever the texts are", () => {
  const text = fc.oneof(fc.constantFrom("a", "b", '","requests":[', "]}", "\n"), fc.string({ unit: "grapheme" }));
  const some = fc.record({
    keyId: text,
    requestedModel: text,
    routeReason: text,
    promptTokens: fc.nat(),
    ttftMs: fc.option(fc.nat()),
    outcome: fc.constantFrom("ok" as const, "error" as const),
  });
  const writer = new RunWriter();
  const reader = new RunReader();
  fc.assert(
    fc.property(fc.array(some, { maxLength: 8 }), (changes) => {
      const records = changes.map((change, index) => usageRecord(`r${index}`, change));
      const found = read(writer.encode(records), reader);
      const byId = (a: Found, b: Found) => (a.row[0] < b.row[0] ? -1 : 1);
      expect(found.toSorted(byId)).toEqual(records.map(parts).toSorted(byId));
    }),
  );
});

test("requests of one group share a line, and a group that comes again is one object", () => {
  const writer = new RunWriter();
  const lines = writer.encode([usageRecord("a"), usageRecord("b", { keyId: "key_2" }), usageRecord("c")]);
  expect(lines.split("\n")).toHaveLength(3);
  const reader = new RunReader();
  const [first, second, third] = read(lines + writer.encode([usageRecord("d")]), reader);
  const [again] = read(writer.encode([usageRecord("e")]), reader);
  expect([second, third, again].map((one) => one?.group === first?.group)).toEqual([true, false, true]);
});

test("numbers that are none, or no database takes, and texts without end do not spoil a line", () => {
  const odd = usageRecord("odd", { promptTokens: Infinity, latencyMs: Number.NaN, cachedTokens: -3, attempts: 1e300 });
  const long = usageRecord("long", { requestedModel: "m".repeat(1e6), routeReason: "r".repeat(1e6) });
  const lines = new RunWriter().encode([odd, usageRecord("fine"), long]);
  expect(lines.length).toBeLessThan(2000);
  const found = read(lines);
  expect(found.map(({ row }) => row[0])).toEqual(["odd", "fine", "long"]);
  expect(found[0]?.row).toEqual(["odd", 1_768_478_400_000, 2 ** 42, 5, 0, 0, 30, 0, 2 ** 42, 7, "auto"]);
});

test("a line of an earlier version is read: one whole record", () => {
  expect(read(`${JSON.stringify(usageRecord("old"))}\n`)).toEqual([parts(usageRecord("old"))]);
});

test("lines that are not whole are told apart, also behind one with the same group", () => {
  const writer = new RunWriter();
  const whole = writer.encode([usageRecord("a"), usageRecord("b")]).slice(0, -1);
  const old = JSON.stringify(usageRecord("r"));
  const torn = [whole.slice(0, -1), whole.slice(0, -5), `${whole}x`, `${whole}${whole}`, whole.replace(":[[", ":[[[")];
  torn.push(whole.replace('["a",', '["",'), whole.replace("12", '"12"'), whole.replace("13", "null"));
  torn.push(old.slice(0, -5), "\0\0\0", "null", "[]", "{}", '{"of":{},"requests":[]}');
  torn.push(
    JSON.stringify({ ...usageRecord("r"), promptTokens: "10" }),
    JSON.stringify({ ...usageRecord("r"), node: undefined }),
  );
  torn.push(JSON.stringify(usageRecord("")), JSON.stringify({ ...usageRecord("r"), attempts: null }));
  for (const line of torn) {
    if (line === whole) continue;
    expect([line, new RunReader().read(line)]).toEqual([line, null]);
    const reader = new RunReader();
    expect(reader.read(whole)?.rows).toHaveLength(2);
    expect([line, reader.read(line)]).toEqual([line, null]);
  }
});
