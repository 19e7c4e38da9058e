import { expect, test } from "bun:test";
import { hashOptions } from "../cluster/agent-record.ts";
import { agentOptions } from "./agent-options.ts";

const NOWHERE = { url: "", secret: "" };
const OPTIONS = {
  dataDir: "/data",
  modelsDir: "/data/models",
  bundledModel: "/app/flock-tiny.gguf",
  endpoints: { ollama: NOWHERE, vllm: NOWHERE, mlx: NOWHERE, llamacpp: { url: "http://127.0.0.1:8089", secret: "k" } },
  ownPorts: [8080],
  ollama: { contextTokens: 0, slots: 1, keepAlive: "" },
  mlx: { model: "", slots: 1, contextTokens: 0 },
  slots: 2,
  contextTokens: 0,
  threads: 0,
  gpu: "auto",
  starts: {
    elsewhere: [],
    llamaBinDir: "",
    ollamaBin: "",
    ports: { first: 28_080, last: 28_179 },
    releaseUrl: "",
    source: null,
    repositories: { vllm: null, mlx: null },
  },
  childCommand: ["bun", "child.ts"],
  childEnv: { PATH: "/bin" },
};

test("what was left out is the local node's: any model, any engine", () => {
  expect(agentOptions.parse(OPTIONS)).toMatchObject({ node: "local", defaultModel: "", enginePreferred: "auto" });
});

test("an unknown or wrong option is refused by name", () => {
  expect(agentOptions.safeParse({ ...OPTIONS, threds: 2 }).error?.message).toContain("threds");
  expect(agentOptions.safeParse({ ...OPTIONS, slots: -1 }).error?.issues[0]?.path).toEqual(["slots"]);
  expect(agentOptions.safeParse({ ...OPTIONS, dataDir: "relative" }).error?.issues[0]?.path).toEqual(["dataDir"]);
});

test("the hash of options does not depend on the order of their keys, and changes with any value", () => {
  const reversed = Object.fromEntries(Object.entries(OPTIONS).reverse());
  expect(hashOptions(reversed)).toBe(hashOptions(OPTIONS));
  const llamacpp = { ...OPTIONS.endpoints.llamacpp, secret: "l" };
  const otherSecret = { ...OPTIONS, endpoints: { ...OPTIONS.endpoints, llamacpp } };
  expect(hashOptions(otherSecret)).not.toBe(hashOptions(OPTIONS));
});
