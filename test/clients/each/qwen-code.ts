import { installed, NODE, type RealClient } from "../real-client.ts";

const QUIET = { QWEN_TELEMETRY_ENABLED: "false", QWEN_CODE_DISABLE_UPDATE: "1" };
const commands =
  (auth: string): RealClient["commands"] =>
  (_, prompt) => [
    [
      NODE,
      installed("@qwen-code/qwen-code/cli-entry.js"),
      "--auth-type",
      auth,
      "--approval-mode",
      "yolo",
      "-p",
      prompt,
    ],
  ];
const files = (): Record<string, string> => ({
  ".qwen/settings.json": JSON.stringify({
    privacy: { usageStatisticsEnabled: false },
    telemetry: { enabled: false },
    general: { disableAutoUpdate: true, enableAutoUpdate: false },
  }),
});

export const qwenCodeChat: RealClient = {
  name: "Qwen Code",
  package: "@qwen-code/qwen-code",
  api: "/v1/chat/completions",
  files,
  env: ({ url, key, model }) => ({
    ...QUIET,
    OPENAI_BASE_URL: `${url}/v1`,
    OPENAI_API_KEY: key,
    OPENAI_MODEL: model,
  }),
  commands: commands("openai"),
};

export const qwenCodeMessages: RealClient = {
  ...qwenCodeChat,
  name: "Qwen Code, Anthropic provider",
  api: "/v1/messages",
  env: ({ url, key, model }) => ({
    ...QUIET,
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: key,
    ANTHROPIC_MODEL: model,
  }),
  commands: commands("anthropic"),
};
