import { join } from "node:path";
import { installed, NODE, type RealClient } from "../real-client.ts";

function config(provider: string, { url, key, model }: { url: string; key: string; model: string }): string {
  return `name: Flock
version: 1.0.0
schema: v1
models:
  - name: Flock
    provider: ${provider}
    model: ${model}
    apiBase: ${url}/v1
    apiKey: ${key}
    roles: [chat, edit, apply]
    capabilities: [tool_use]
`;
}

function continueCli(name: string, api: string, provider: string): RealClient {
  return {
    name,
    package: "@continuedev/cli",
    api,
    env: () => ({ CONTINUE_TELEMETRY_ENABLED: "0", CONTINUE_METRICS_ENABLED: "0" }),
    files: (service) => ({ ".continue/config.yaml": config(provider, service) }),
    commands: (_, prompt, { home }) => [
      [
        NODE,
        installed("@continuedev/cli/dist/cn.js"),
        "--config",
        join(home, ".continue/config.yaml"),
        "--allow",
        "*",
        "-p",
        prompt,
      ],
    ],
  };
}

export const continueChat = continueCli("Continue", "/v1/chat/completions", "openai");
export const continueMessages = continueCli("Continue, Anthropic provider", "/v1/messages", "anthropic");
