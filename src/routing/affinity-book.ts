import type { TokenUsage } from "../core/token-usage.ts";
import type { Affinity } from "./choose-replica.ts";
import { type Given, PrefixIndex } from "./prefix-index.ts";
import { type PromptBlocks, promptBlocks } from "./prompt-blocks.ts";
import type { RouteAsk } from "../core/route-ask.ts";
import { SessionMap } from "./session-map.ts";

/** A request's conversation, as far as it matters here. */
export interface Told {
  readonly session: string;
  readonly blocks: PromptBlocks;
  readonly promptTokens: number;
}

/** A session's replica goes before one that knows only this much more of the prompt. */
const SESSION_SHARE = 0.8;

/** Which replica knows which conversation: by the client's name for it, and by the beginnings of prompts. */
export class AffinityBook {
  readonly #prefixes: PrefixIndex;
  readonly #sessions = new SessionMap();
  readonly #stickySessions: boolean;

  constructor(stickySessions: boolean, prefixes = new PrefixIndex()) {
    this.#stickySessions = stickySessions;
    this.#prefixes = prefixes;
  }

  read(ask: RouteAsk): Told {
    const { session, prompt } = ask.conversation();
    return { session, blocks: promptBlocks(prompt), promptTokens: ask.promptTokens };
  }

  /** What speaks for which replica in this case, the best first. */
  look({ session, blocks, promptTokens }: Told): Affinity[] {
    const affinities: Affinity[] = [];
    for (const { replicaId, bytes } of this.#prefixes.match(blocks)) {
      const savedTokens = Math.min(promptTokens, Math.round((promptTokens * bytes) / blocks.bytes));
      affinities.push({ replicaId, savedTokens, reason: "prefix" });
    }
    const sticky = this.#stickySessions && session !== "" ? this.#sessions.get(session) : undefined;
    return sticky === undefined ? affinities : withSession(affinities, sticky);
  }

  /** The replica is given the request. What it should have of the prompt already. */
  give({ session, blocks }: Told, replicaId: string): Given {
    if (session !== "") this.#sessions.set(session, replicaId);
    return this.#prefixes.give(replicaId, blocks);
  }

  /** The engine counted. */
  learn({ blocks }: Told, replicaId: string, given: Given, { promptTokens, cachedTokens }: TokenUsage): void {
    if (promptTokens <= 0 || blocks.bytes === 0) return;
    this.#prefixes.correct(replicaId, given, blocks.bytes, cachedTokens / promptTokens);
  }

  /** The engine was started anew, or is gone. */
  forget(replicaId: string): void {
    this.#prefixes.forget(replicaId);
  }
}

function withSession(prefixes: readonly Affinity[], replicaId: string): Affinity[] {
  const savedTokens = prefixes.find((affinity) => affinity.replicaId === replicaId)?.savedTokens ?? 0;
  const session: Affinity = { replicaId, savedTokens, reason: "session" };
  const others = prefixes.filter((affinity) => affinity.replicaId !== replicaId);
  const best = others[0]?.savedTokens ?? 0;
  if (savedTokens >= best * SESSION_SHARE) return [session, ...others];
  return [...others, session];
}
