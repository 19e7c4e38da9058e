import { ollamaFlavor } from "../../test/support/stand-in/ollama-flavor.ts";
import { embeddedFlavor, llamaCppFlavor, mlxFlavor, vllmFlavor } from "../../test/support/stand-in/flavors.ts";
import { embeddedManager } from "./embedded/manage.ts";
import { embeddedWire } from "./embedded/wire.ts";
import { llamaCppManager } from "./llama-cpp/manage.ts";
import { llamaCppWire } from "./llama-cpp/wire.ts";
import { mlxManager } from "./mlx/manage.ts";
import { mlxWire } from "./mlx/wire.ts";
import { ollamaManager } from "./ollama/manage.ts";
import { ollamaWire } from "./ollama/wire.ts";
import { describeDriver } from "./test-describe-driver.ts";
import { vllmManager } from "./vllm/manage.ts";
import { vllmWire } from "./vllm/wire.ts";

const ONE_MODEL = "it has one model, and answers with it whatever is asked for";

describeDriver({
  wire: embeddedWire,
  manager: () => embeddedManager,
  flavor: embeddedFlavor,
  gaps: {
    "a model that it no longer has is its failure, and another replica's chance": ONE_MODEL,
    "images go to a model that sees": "node-llama-cpp has no vision",
  },
});

describeDriver({
  wire: llamaCppWire,
  manager: () => llamaCppManager,
  flavor: llamaCppFlavor,
  gaps: { "a model that it no longer has is its failure, and another replica's chance": ONE_MODEL },
});

describeDriver({
  wire: ollamaWire,
  manager: () => ollamaManager({ contextTokens: 0, slots: 1, keepAlive: "", memoryBytes: null }),
  flavor: ollamaFlavor,
  gaps: {},
});

describeDriver({
  wire: vllmWire,
  manager: () => vllmManager,
  flavor: vllmFlavor,
  gaps: {
    "a full queue, or a model that loads, is for another replica":
      "its queue has no end, and it listens when it is loaded",
  },
});

describeDriver({
  wire: mlxWire,
  manager: () => mlxManager({ model: "", slots: 1, contextTokens: 1024 }),
  flavor: mlxFlavor,
  gaps: {
    "a prompt that does not fit is told with its numbers": "the server bounds no prompt",
    "a full queue, or a model that loads, is for another replica": "its queue has no end",
    "a forced call is obeyed": "the server has no tool choice: refused by name",
    "structured output is asked for": "the server has no grammars: refused by name",
    "images go to a model that sees": "the server takes text only: refused by name",
    "texts become vectors": "the server has no embeddings: refused by name",
  },
});
