import type { CancelSignal } from "../core/cancellation.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import type { EngineStatus, NodeState } from "../core/node.ts";
import { err, ok, type Result } from "../core/result.ts";
import { agentLines, callAgent } from "./agent-client.ts";
import {
  ATTACH_TIMES,
  attachAgent,
  type Attachment,
  type AttachTimes,
  cancelled,
  unreachable,
} from "./attach-agent.ts";
import { EngineConnections } from "./fetch-engine.ts";
import type { Link, LinkFailure, LinkRequest, NodeOperation } from "./link.ts";
import { shutDownAgent } from "./node-operations.ts";
import { parseNodeState } from "./node-state-line.ts";
import { isAlive } from "./process-identity.ts";
import type { AgentProcess } from "./spawn-agent.ts";
import { wait } from "../core/wait.ts";

export interface LocalLinkTimes extends AttachTimes {
  /** Without a line for so long, the agent is taken for hung and asked anew. */
  readonly quietMs: number;
  /** Wait before looking for a lost agent again; doubles up to the second. */
  readonly retryMs: readonly [number, number];
}

export const LOCAL_LINK_TIMES: LocalLinkTimes = {
  ...ATTACH_TIMES,
  quietMs: 16_000,
  retryMs: [100, 5_000],
};

export interface LocalLinkParts {
  readonly dataDir: string;
  readonly node: string;
  /** `hashOptions` of what `spawnAgent` gives the agent. */
  readonly optionsHash: string;
  readonly spawnAgent: () => AgentProcess;
  readonly log: (message: string) => void;
  readonly times?: LocalLinkTimes;
}

/**
 * The leader's link to the agent of its own machine: finds or starts it, follows its state, starts it again when it
 * died. The newest state stays while the agent is away, since the engines outlive it and are reached without it.
 */
export class LocalLink implements Link {
  readonly #parts: LocalLinkParts;
  readonly #times: LocalLinkTimes;
  readonly #closing = new AbortController();
  readonly #connections = new EngineConnections();
  readonly #listeners = new Set<(state: NodeState) => void>();
  #attached: Attachment | null = null;
  #state: NodeState | null = null;
  #problem: string | null = null;
  #following: Promise<void> | null = null;
  #held = false;

  constructor(parts: LocalLinkParts) {
    this.#parts = parts;
    this.#times = parts.times ?? LOCAL_LINK_TIMES;
  }

  /** Attaches to the living agent, or starts one; resolves with its first state. Follows it from then on. */
  async ensureAgent(signal: AbortSignal): Promise<Result<NodeState, LinkFailure>> {
    if (this.#following === null) {
      const found = await attachAgent(
        { ...this.#parts, times: this.#times },
        AbortSignal.any([signal, this.#closing.signal]),
      );
      if (!found.ok) return found;
      this.#attached = found.value;
      this.#following ??= this.#follow();
    }
    const deadline = performance.now() + this.#times.startDeadlineMs;
    while (this.#state === null) {
      if (signal.aborted || this.#closing.signal.aborted) return err(cancelled());
      if (performance.now() >= deadline) return err(unreachable("the agent does not tell its state"));
      await wait(this.#times.pollMs, signal);
    }
    return ok(this.#state);
  }

  state(): NodeState | null {
    return this.#state;
  }

  /** Why the agent is not there at the moment, in one line; null when it is. */
  problem(): string | null {
    return this.#problem;
  }

  /** Called with each newer state, not with heartbeats. Returns how to stop that. */
  onChange(listener: (state: NodeState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  fetch(
    node: string,
    engineId: string,
    request: LinkRequest,
    signal: CancelSignal,
  ): Promise<Result<EngineAnswer, Failure>> {
    const engine = node === this.#parts.node ? this.#engine(engineId) : undefined;
    if (engine === undefined || engine.endpoint === "") {
      const endpoint = engine === undefined ? `node ${node}` : "not started yet";
      return Promise.resolve(
        err({ kind: "engine_unreachable", engine: engineId, endpoint, start: engine?.start ?? "flock up" }),
      );
    }
    return this.#connections.fetch(engine, request, signal);
  }

  fetchEngine(engineId: string, request: LinkRequest, signal: CancelSignal): Promise<Result<EngineAnswer, Failure>> {
    return this.fetch(this.#parts.node, engineId, request, signal);
  }

  async call<Answer>(
    node: string,
    operation: NodeOperation<Answer>,
    signal: AbortSignal,
  ): Promise<Result<Answer, LinkFailure>> {
    if (node !== this.#parts.node) return err(unreachable(`this link does not lead to node ${node}`));
    const socket = this.#attached?.socket;
    if (socket === undefined) return err(unreachable(this.#problem ?? "the agent is not running"));
    const limit = AbortSignal.any([signal, AbortSignal.timeout(operation.timeoutMs)]);
    const answer = await callAgent(socket, operation, limit);
    if (answer.ok) {
      const read = operation.read(answer.value);
      return read === null ? err(unreachable("the agent's answer is not understood")) : ok(read.value);
    }
    if (signal.aborted) return err(cancelled());
    const { status, message, mend } = answer.error;
    if (status === null) return err(unreachable(`the agent does not answer: ${message}`));
    return err({ kind: status === 404 ? "unknown_engine" : "refused", message, mend: mend ?? "flock status" });
  }

  /** Ends the agent, with `engines` its engines first, and this link. Resolves when the agent's process is gone. */
  async shutdown(what: { readonly engines: boolean }, signal: AbortSignal): Promise<Result<void, LinkFailure>> {
    const attached = this.#attached;
    // Before asking: the end of the watch stream must not look like a death to be mended.
    await this.close();
    const answer = await this.call(this.#parts.node, shutDownAgent(what.engines), signal);
    if (!answer.ok || attached === null) return answer.ok ? ok(undefined) : answer;
    const deadline = performance.now() + this.#times.leaveMs;
    while (isAlive(attached.identity.pid)) {
      if (signal.aborted) return err(cancelled());
      if (performance.now() >= deadline)
        return err(unreachable(`the agent (pid ${attached.identity.pid}) does not end`));
      await wait(this.#times.pollMs, signal);
    }
    return ok(undefined);
  }

  /** While held it follows the agent, but neither starts nor replaces one: that is another leader's business. */
  hold(held: boolean): void {
    this.#held = held;
  }

  /** Stops following; the agent and its engines run on. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#following;
    this.#connections.close();
  }

  #engine(id: string): EngineStatus | undefined {
    return this.#state?.engines.find((engine) => engine.id === id);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    const [firstMs, mostMs] = this.#times.retryMs;
    let retryMs = firstMs;
    while (!signal.aborted) {
      if (this.#attached !== null && (await this.#watch(this.#attached.socket))) retryMs = firstMs;
      if (signal.aborted) return;
      this.#parts.log(`the agent is gone${this.#problem === null ? "" : ` (${this.#problem})`}; looking for it again`);
      await wait(retryMs, signal);
      while (this.#held && !signal.aborted) await wait(mostMs, signal);
      retryMs = Math.min(retryMs * 2, mostMs);
      const found = await attachAgent({ ...this.#parts, times: this.#times }, signal);
      this.#attached = found.ok ? found.value : this.#attached;
      this.#problem = found.ok || found.error.kind === "cancelled" ? null : found.error.message;
    }
  }

  /** Takes states in until the stream ends or falls silent. True: there was at least one. */
  async #watch(socket: string): Promise<boolean> {
    const quiet = new AbortController();
    let timer = setTimeout(() => quiet.abort(), this.#times.quietMs);
    let first = true;
    const signal = AbortSignal.any([quiet.signal, this.#closing.signal]);
    for await (const line of agentLines(socket, "/v1/state/watch", signal)) {
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), this.#times.quietMs);
      const state = parseNodeState(line);
      if (state === null) {
        this.#parts.log("the agent sent a state that is none; it was left out");
        continue;
      }
      this.#take(state, first);
      first = false;
    }
    clearTimeout(timer);
    return !first;
  }

  /** The first state of a stream counts whatever its version: a new agent may have started on a clock set back. */
  #take(state: NodeState, first: boolean): void {
    const before = this.#state;
    if (before !== null && !first && state.version < before.version) return;
    this.#state = state;
    this.#connections.keep(new Set(state.engines.map(({ endpoint }) => endpoint)));
    if (before !== null && state.version === before.version) return;
    for (const listener of this.#listeners) listener(state);
  }
}

export function createLocalLink(parts: LocalLinkParts): LocalLink {
  return new LocalLink(parts);
}
