import { expect, test } from "bun:test";
import { whenReady } from "./own-agent.ts";
import type { EngineStatus, NodeState } from "../core/node.ts";
import type { Replica } from "../core/replica.ts";

const REPLICA = { id: "n/e/m", node: "n" } as Replica;

function state(engine: EngineStatus["state"], replicas: readonly Replica[]): NodeState {
  const status = { id: "e", kind: "embedded", state: engine, problem: null } as EngineStatus;
  return { node: "n", engines: [status], replicas } as unknown as NodeState;
}

/** What `whenReady` makes of one state after another, with so many replicas known in the whole cluster. */
async function watch(states: readonly NodeState[], known: readonly Replica[]) {
  let now = states[0] ?? null;
  const listeners = new Set<() => void>();
  const said: string[] = [];
  const ready = whenReady(
    {
      state: () => now,
      onChange(listener) {
        const tell = (): void => listener(now as NodeState);
        listeners.add(tell);
        return () => listeners.delete(tell);
      },
    },
    { state: { replicas: known } },
    (line) => said.push(line),
  );
  for (const next of states.slice(1)) {
    now = next;
    for (const tell of listeners) tell();
  }
  return { ready: await ready, said, listening: listeners.size };
}

test("workers that are remembered do not make this machine's starting engine ready", async () => {
  const up = state("ready", [REPLICA]);
  const { ready, said, listening } = await watch([state("starting", []), up], [REPLICA]);
  expect(ready).toBe(up);
  expect(said).toEqual(["▶ the embedded engine is starting …"]);
  expect(listening).toBe(0);
});

test("an engine that does not start is not waited for where others serve, and is where nobody does", async () => {
  const broken = state("backoff", []);
  expect((await watch([broken], [REPLICA])).ready).toBe(broken);
  const up = state("ready", [REPLICA]);
  expect((await watch([broken, up], [])).ready).toBe(up);
});
