import { installed, NODE, type RealClient } from "../real-client.ts";

export const codex: RealClient = {
  name: "Codex",
  package: "@openai/codex",
  api: "/v1/responses",
  env: ({ key }) => ({ FLOCK_TOKEN: key }),
  files: ({ url, model }) => ({
    ".codex/config.toml": `model = "${model}"
model_provider = "flock"
model_context_window = 32768
[model_providers.flock]
name = "Flock"
base_url = "${url}/v1"
env_key = "FLOCK_TOKEN"
wire_api = "responses"
[analytics]
enabled = false
[otel]
exporter = "none"
`,
  }),
  commands: (_, prompt) => [
    [
      NODE,
      installed("@openai/codex/bin/codex.js"),
      "exec",
      "--skip-git-repo-check",
      "--dangerously-bypass-approvals-and-sandbox",
      prompt,
    ],
  ],
};
