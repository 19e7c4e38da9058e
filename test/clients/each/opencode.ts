import { installed, platformPackage, type RealClient, type Service } from "../real-client.ts";

const BINARY = installed(platformPackage("opencode"), "bin/opencode");

function config({ url, model }: Service, npm: string): string {
  const models = { [model]: { name: model, limit: { context: 32_768, output: 8192 } } };
  const options = { baseURL: `${url}/v1`, apiKey: "{env:FLOCK_TOKEN}" };
  const provider = { flock: { npm, name: "Flock", options, models } };
  return JSON.stringify({ model: `flock/${model}`, autoupdate: false, share: "disabled", provider });
}

function openCode(name: string, api: string, npm: string): RealClient {
  return {
    name,
    package: "opencode-ai",
    api,
    env: ({ key }) => ({ FLOCK_TOKEN: key, OPENCODE_DISABLE_AUTOUPDATE: "1", OPENCODE_DISABLE_MODELS_FETCH: "1" }),
    files: (service) => ({ ".config/opencode/opencode.json": config(service, npm) }),
    commands: (_, prompt) => [[BINARY, "run", prompt]],
  };
}

export const openCodeChat = openCode("OpenCode", "/v1/chat/completions", "@ai-sdk/openai-compatible");
export const openCodeMessages = openCode("OpenCode, Anthropic provider", "/v1/messages", "@ai-sdk/anthropic");
