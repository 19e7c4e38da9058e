import { expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryDirectory } from "../../test/support/start-flock.ts";
import { loadConfig } from "./load.ts";

test("what variables and flags set is set again by variables, from another directory too", async () => {
  const home = temporaryDirectory();
  const env = {
    FLOCK_DATA_DIR: join(home, "data"),
    FLOCK_LISTEN: "127.0.0.1:9",
    FLOCK_STORAGE_MODELS_DIR: "weights",
    FLOCK_REQUIRE_KEYS: "no",
    FLOCK_OLLAMA_ENDPOINT: "off",
    VLLM_API_KEY: "s3cret",
    FLOCK_LATENCY_P95_SECONDS: "1.5",
    FLOCK_ENGINE_EMBEDDED_SLOTS: "",
  };
  const flags = { "log-level": "debug", "engine-embedded-context": "4096" };
  const first = await loadConfig({ env, flags, cwd: home, home });
  if (!first.ok) throw new Error(JSON.stringify(first.error));
  const { given } = first.value;
  expect(given).toEqual({
    FLOCK_LISTEN: "127.0.0.1:9",
    FLOCK_STORAGE_MODELS_DIR: join(home, "weights"),
    FLOCK_REQUIRE_KEYS: "no",
    FLOCK_OLLAMA_ENDPOINT: "off",
    VLLM_API_KEY: "s3cret",
    FLOCK_LATENCY_P95_SECONDS: "1.5",
    FLOCK_LOG_LEVEL: "debug",
    FLOCK_ENGINE_EMBEDDED_CONTEXT: "4096",
  });
  const again = await loadConfig({ env: { ...given, FLOCK_DATA_DIR: env.FLOCK_DATA_DIR }, flags: {}, cwd: "/", home });
  expect(again.ok && again.value.values).toEqual(first.value.values);
});
