import type { LaunchSpec } from "../driver.ts";

export interface OllamaLaunch {
  readonly id: string;
  readonly binary: string;
  /** Ollama's own: its command line and other programs look for it there. */
  readonly port: number;
  readonly childEnv: Readonly<Record<string, string>>;
  readonly cwd: string;
}

const READY_TIMEOUT_MS = 60_000;

/** An `ollama serve` of Flock's own. It knows no key: loopback is all that guards it. */
export function ollamaLaunch(launch: OllamaLaunch): LaunchSpec {
  return {
    id: launch.id,
    kind: "ollama",
    command: launch.binary,
    args: ["serve"],
    env: { ...launch.childEnv, OLLAMA_HOST: "127.0.0.1:{port}" },
    cwd: launch.cwd,
    readyTimeoutMs: READY_TIMEOUT_MS,
    listens: { ports: { first: launch.port, last: launch.port }, healthPath: "/" },
  };
}
