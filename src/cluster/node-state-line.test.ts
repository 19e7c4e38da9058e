import { expect, test } from "bun:test";
import { able } from "../core/test-replica.ts";
import type { NodeState } from "../core/node.ts";
import { parseNodeState } from "./node-state-line.ts";

const abilities = able("chat", "embeddings");
const STATE: NodeState = {
  node: "local",
  inventory: {
    hostname: "box",
    os: "linux",
    arch: "x64",
    cpuModel: "cpu",
    physicalCores: 2,
    logicalCores: 4,
    memoryBytes: 8,
    freeMemoryBytes: 4,
    gpus: [{ vendor: "nvidia", name: "GPU", memoryBytes: null, driver: null }],
  },
  engines: [
    {
      id: "embedded",
      kind: "embedded",
      managed: true,
      state: "ready",
      endpoint: "http://127.0.0.1:1",
      secret: "s",
      pid: 7,
      restarts: 0,
      problem: null,
      start: "flock up",
      models: ["tiny"],
      epoch: 1,
    },
  ],
  replicas: [
    {
      id: "local/embedded/tiny",
      node: "local",
      engine: "embedded",
      engineId: "embedded",
      model: "tiny",
      engineModel: "tiny",
      contextTokens: 512,
      slots: 2,
      abilities,
      smokeTest: true,
    },
  ],
  embeddedGpu: null,
  problems: [],
  version: 3,
};

test("a state survives its line", () => {
  expect(parseNodeState(JSON.stringify(STATE))).toEqual(STATE);
});

test("every field that is missing or of another type makes it no state", () => {
  const optionalToTheReader = new Set(["memoryBytes", "driver"]);
  for (const path of paths(STATE)) {
    const name = path.at(-1) ?? "";
    if (path.includes("gpus") && optionalToTheReader.has(name)) continue;
    for (const wrong of [undefined, { not: "this" }]) {
      const copy: unknown = structuredClone(STATE);
      const owner = path.slice(0, -1).reduce((value: unknown, key) => Reflect.get(Object(value), key), copy);
      Reflect.set(Object(owner), name, wrong);
      expect([path.join("."), parseNodeState(JSON.stringify(copy))]).toEqual([path.join("."), null]);
    }
  }
});

test("half a line and other JSON are no state", () => {
  expect(parseNodeState(JSON.stringify(STATE).slice(0, 50))).toBeNull();
  expect(parseNodeState("[]")).toBeNull();
  expect(parseNodeState("null")).toBeNull();
});

/** The way to every field, through arrays and objects. */
function paths(value: unknown, at: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = [...at, key];
    return Array.isArray(value) ? paths(inner, here) : [here, ...paths(inner, here)];
  });
}
