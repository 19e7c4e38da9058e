import { installed, platformPackage, type RealClient } from "../real-client.ts";

const BINARY = installed(platformPackage("@anthropic-ai/claude-code"), "claude");

export const claudeCode: RealClient = {
  name: "Claude Code",
  package: "@anthropic-ai/claude-code",
  api: "/v1/messages",
  // No model is named: its own `claude-…` names go to the default model.
  env: ({ url, key }) => ({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: key,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
  }),
  commands: (_, prompt) => [[BINARY, "-p", prompt, "--allowedTools", "Read"]],
};

export const claudeCodeNamed: RealClient = {
  ...claudeCode,
  name: "Claude Code, local model by name",
  env: ({ url, key, model }) => ({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: key,
    ANTHROPIC_MODEL: model,
    ANTHROPIC_DEFAULT_OPUS_MODEL: model,
    ANTHROPIC_DEFAULT_SONNET_MODEL: model,
    ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
  }),
};
