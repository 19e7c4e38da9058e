import type { EngineStatus, Gpu, NodeState } from "../core/node.ts";
import { unusedGpus } from "./hints.ts";
import { shellQuote } from "../core/shell-quote.ts";

export interface ReadyBlockInput {
  readonly state: NodeState;
  /** Base URL for this machine. */
  readonly url: string;
  readonly defaultModel: string;
  /** Plaintext of the admin key, only when it was made just now. */
  readonly newAdminKey: string | null;
  /** Where the admin key lies, or should. */
  readonly adminKeyFile: string;
  /** Why the key in that file does not work, and the command that mends it; null when it does. */
  readonly keyProblem: { readonly message: string; readonly mend: string } | null;
  readonly keyless: boolean;
  readonly modelsDir: string;
  /** The line that makes another machine a worker, good once and until `expiresAt`; null: none can reach this one. */
  readonly join: { readonly command: string; readonly expiresAt: number } | null;
  /** How this Flock is called from a shell: `flock`, or `npm run flock --` from a checkout. */
  readonly program: string;
  /** The command that gets an engine for a GPU the embedded one does not use. */
  readonly gpuCommand: string;
}

/** What the terminal shows when Flock can be used: what was found, where it is, and lines that work when pasted. */
export function readyBlock(input: ReadyBlockInput): string[] {
  const { state, url } = input;
  const lines = [`▶ detected ${describeMachine(state)}`];
  for (const engine of state.engines) {
    lines.push(
      engine.state === "ready"
        ? `✔ engine: ${describeEngine(engine, state)}`
        : `✗ engine: ${engine.kind} is ${engine.state}${engine.problem ? `: ${engine.problem}` : ""}`,
    );
    if (engine.state !== "ready") lines.push(`    ${engine.start}`);
  }
  for (const gpu of unusedGpus(state)) {
    lines.push(`! ${gpu.name} is not used by the embedded engine. Get an engine for it:`, `    ${input.gpuCommand}`);
  }
  for (const problem of state.problems) lines.push(`! ${problem}`);
  const tiny = state.replicas.some((replica) => replica.model === input.defaultModel && replica.smokeTest);
  if (input.defaultModel !== "") {
    const engine = state.replicas.find((replica) => replica.model === input.defaultModel)?.engine;
    const where = state.engines.length > 1 && engine !== undefined ? ` on ${engine}` : "";
    lines.push(`✔ default model: ${input.defaultModel}${where}${tiny ? " (smoke test only)" : ""}`);
  }
  const serving = state.replicas.length > 0;
  lines.push(
    "",
    serving ? "  Flock is ready." : "  Flock runs, but no model is loaded: requests are refused until one is.",
  );
  lines.push("", `  Dashboard:  ${url}/ui/`, `  API:        ${url}/v1`);
  lines.push(...keyLines(input));
  if (serving) lines.push("", "  Try it:", ...curlLines(input));
  if (tiny) lines.push("", ...realModelLines(input));
  if (input.join !== null) {
    const until = new Date(input.join.expiresAt).toTimeString().slice(0, 5);
    lines.push("", `  Add another machine (once, until ${until}; later: ${input.program} token create --node):`);
    lines.push(`    ${input.join.command}`);
  }
  return lines;
}

/** Where it is, whose it is, and how many models it brings. */
function describeEngine({ id, kind, managed, pid, endpoint, note, models }: EngineStatus, state: NodeState): string {
  if (managed) {
    const device = kind === "embedded" ? (state.embeddedGpu ?? "the CPU") : "its own device";
    return `${kind} started by Flock (pid ${pid ?? "?"}), on ${device}`;
  }
  const replicas = state.replicas.filter(({ engineId }) => engineId === id).length || models.length;
  const has = replicas === 1 ? "1 model" : `${replicas} models`;
  return `${kind} at ${endpoint}${note === undefined ? "" : ` (${note})`}, ${has}`;
}

function describeMachine({ inventory }: NodeState): string {
  const gpus = inventory.gpus.map((gpu) => `${gpu.name}${gpuMemory(gpu)}`);
  const cores = `${inventory.physicalCores} ${inventory.physicalCores === 1 ? "core" : "cores"}`;
  const parts = [`${inventory.os}/${inventory.arch}`, `${gigabytes(inventory.memoryBytes)} GB RAM`, cores];
  return [...parts, gpus.length === 0 ? "no GPU" : gpus.join(", ")].join(" · ");
}

function gpuMemory(gpu: Gpu): string {
  return gpu.memoryBytes === null ? "" : ` (${gigabytes(gpu.memoryBytes)} GB)`;
}

function gigabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 30);
}

function keyLines(input: ReadyBlockInput): string[] {
  if (input.keyless) {
    return [
      "",
      "  !!! KEYS ARE SWITCHED OFF (auth.require_keys: false). Every program on this machine has full admin rights.",
      "  !!! Use this for local development only.",
    ];
  }
  if (input.keyProblem !== null)
    return [`  Admin API key:   ${input.keyProblem.message}`, `    ${input.keyProblem.mend}`];
  if (input.newAdminKey !== null) {
    return [`  Admin API key:   ${input.newAdminKey}`, `              (shown once; kept in ${input.adminKeyFile})`];
  }
  return [`  Admin API key:   in ${input.adminKeyFile}`];
}

function curlLines(input: ReadyBlockInput): string[] {
  const inFile = input.keyProblem === null ? `$(cat ${shellQuote(input.adminKeyFile)})` : "<your key>";
  const secret = input.newAdminKey ?? inFile;
  const auth = input.keyless ? "" : ` -H "Authorization: Bearer ${secret}"`;
  const body = `{"model":"auto","messages":[{"role":"user","content":"hi in 5 words"}]}`;
  // One line: a person marks and pastes it, whatever the terminal's width.
  return [`    curl ${input.url}/v1/chat/completions${auth} -H "Content-Type: application/json" -d '${body}'`];
}

function realModelLines(input: ReadyBlockInput): string[] {
  const target = shellQuote(`${input.modelsDir}/llama-3.2-1b.gguf`);
  const source =
    "https://huggingface.co/unsloth/Llama-3.2-1B-Instruct-GGUF/resolve/main/Llama-3.2-1B-Instruct-Q4_K_M.gguf";
  return [
    `  ${input.defaultModel} is a smoke-test model: it proves that everything works, and says one sentence only.`,
    "  Get a real one (0.8 GB), then start again:",
    `    curl -L --fail --create-dirs -o ${target} ${source}`,
    `    ${input.program} down; ${input.program} up`,
  ];
}
