import { expect, test } from "bun:test";
import { join } from "node:path";
import { later } from "./later.ts";

test("it is built once, when it is first asked for", () => {
  let builds = 0;
  const value = later(() => ({ builds: (builds += 1) }));
  expect(builds).toBe(0);
  expect([value(), value()]).toEqual([{ builds: 1 }, { builds: 1 }]);
});

test("loading the routes of all APIs builds next to no schema", async () => {
  // zod calls this hook for every schema that is built.
  const script = `
    import { z } from "zod";
    let built = 0;
    z.config({ postProcessor: () => void (built += 1) });
    await import(${JSON.stringify(join(import.meta.dir, "../http/app.ts"))});
    const routes = built;
    z.object({ a: z.string() });
    console.log(JSON.stringify([routes, built - routes]));`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    cwd: import.meta.dir,
    stdout: "pipe",
    stderr: "inherit",
  });
  const [routes, two] = JSON.parse(await new Response(child.stdout).text()) as [number, number];
  expect(two).toBe(2);
  expect(routes).toBeLessThan(20);
});
