import { installed, platformPackage, type RealClient } from "../real-client.ts";

const BINARY = installed(platformPackage("@cline/cli"), "bin/cline");

export const cline: RealClient = {
  name: "Cline",
  package: "cline",
  api: "/v1/chat/completions",
  env: () => ({ CLINE_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", CLINE_NO_AUTO_UPDATE: "1" }),
  commands: ({ url, key, model }, prompt) => [
    [BINARY, "auth", "-p", "openai-compatible", "-k", key, "-b", `${url}/v1`, "-m", model],
    [BINARY, "--auto-approve", "true", prompt],
  ],
};
