import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { LONG_FILES, writeTimings } = (await import(join(import.meta.dir, "test-order.mjs"))) as {
  LONG_FILES: Record<string, number>;
  writeTimings: (path: string, root: string, folders: string[], long?: Record<string, number>) => void;
};

test("each file that is known as a long one is there", () => {
  const root = join(import.meta.dir, "..");
  expect(Object.keys(LONG_FILES).filter((name) => !existsSync(join(root, name)))).toEqual([]);
});

test("bun starts the longest files first, wherever they stand", async () => {
  const root = mkdtempSync(join(tmpdir(), "flock-order-"));
  try {
    mkdirSync(join(root, "some"));
    for (const name of ["a", "b", "c", "d", "e"]) {
      const code = `import { test } from "bun:test"; import { appendFileSync } from "node:fs";
        test("is noted", () => appendFileSync(${JSON.stringify(join(root, "order"))}, "${name}"));`;
      writeFileSync(join(root, `some/${name}.test.ts`), code);
    }
    const timings = join(root, "timings.json");
    writeTimings(timings, root, ["some"], { "some/c.test.ts": 3, "some/e.test.ts": 5 });
    const command = [process.execPath, "test", "--isolate", "--parallel=1", "--timings", timings];
    const run = Bun.spawn(command, { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
    const said = await new Response(run.stderr).text();
    expect([await run.exited, said.includes("5 pass")]).toEqual([0, true]);
    expect(readFileSync(join(root, "order"), "utf8").slice(0, 2)).toBe("ec");
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
