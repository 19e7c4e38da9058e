import { expect, test } from "bun:test";
import { hashOptions } from "../cluster/agent-record.ts";
import { agentOptions } from "./agent-options.ts";

const OPTIONS = {
  dataDir: "/data",
  modelsDir: "/data/models",
  bundledModel: "/app/flock-tiny.gguf",
  llamacppEndpoint: { url: "http://127.0.0.1:8089", secret: "k" },
  slots: 2,
  contextTokens: 0,
  threads: 0,
  gpu: "auto",
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
  const otherSecret = { ...OPTIONS, llamacppEndpoint: { ...OPTIONS.llamacppEndpoint, secret: "l" } };
  expect(hashOptions(otherSecret)).not.toBe(hashOptions(OPTIONS));
});
