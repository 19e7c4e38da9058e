import type { LoadPlan } from "./load-plan.ts";
import { runLoad } from "./run-load.ts";

// A process of its own, so that its work is not counted to the server under test: a plan a line in, a result a line out.
for await (const line of console) {
  if (line.trim() === "") continue;
  console.log(JSON.stringify(await runLoad(JSON.parse(line) as LoadPlan)));
}
