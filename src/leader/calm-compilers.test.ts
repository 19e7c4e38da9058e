import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { calmCompilers } from "./calm-compilers.ts";

const THREADS = "/proc/self/task";

/** How nice each compiler is. */
function compilers(): number[] {
  return readdirSync(THREADS).flatMap((id) => {
    const stat = readFileSync(`${THREADS}/${id}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return stat.includes("(JITWorker)") ? [Number(fields[16])] : [];
  });
}

function hot(n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i += 1) sum += Math.sqrt(i % 7);
  return sum;
}

test.skipIf(process.platform !== "linux")("the compilers give way, and the event loop does not", () => {
  for (let i = 0; i < 300; i += 1) hot(100_000);
  expect(compilers().length).toBeGreaterThan(0);
  calmCompilers();
  for (const nice of compilers()) expect(nice).toBeGreaterThanOrEqual(10);
  const own = readFileSync("/proc/self/stat", "latin1");
  expect(own.slice(own.lastIndexOf(")") + 2).split(" ")[16]).toBe("0");
});
