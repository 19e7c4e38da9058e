import type { NodeState } from "../core/node.ts";
import type { Failure } from "../core/failure.ts";
import type { Result } from "../core/result.ts";
import type { EngineKind } from "../core/replica.ts";
import { AliasTable } from "./alias-table.ts";
import { chooseDefaultModel } from "./default-model.ts";
import type { BoardState, ReplicaBoard } from "./replica-board.ts";
import { ModelSources } from "./model-sources.ts";
import { resolveModel, type ResolvedModel, type Wants } from "./resolve-model.ts";

/**
 * Which models there are, by what nodes tell and what the admin set; feeds the replica board. A model whose engine
 * restarts stays known, so that its requests wait instead of hearing that it does not exist.
 */
export class ModelDirectory {
  readonly #board: ReplicaBoard;
  #wantedDefault: string;
  /** What each engine of each node served when it was last ready. */
  readonly #servedBy = new Map<string, Map<string, readonly string[]>>();
  readonly #preferred: EngineKind | "auto";
  #lastDefault = "";
  /** The board that `#lastDefault` was chosen from. */
  #defaultOf: BoardState | null = null;
  #aliases = new AliasTable([]);
  #sources = new ModelSources([]);

  /** `preferred`: whose models come first where nobody named one. */
  constructor(board: ReplicaBoard, wantedDefault: string, preferred: EngineKind | "auto" = "auto") {
    this.#board = board;
    this.#wantedDefault = wantedDefault;
    this.#preferred = preferred;
  }

  setAliases(aliases: AliasTable): void {
    this.#aliases = aliases;
  }

  /** What the catalogue calls the models. */
  setSources(sources: ModelSources): void {
    this.#sources = sources;
  }

  /** The model that `auto` should get, as somebody wrote it; "": whatever is there. */
  setDefault(wanted: string): void {
    this.#wantedDefault = wanted;
    this.#defaultOf = null;
  }

  /** Each alias that leads to a model which a client could use now, for one key. */
  aliasesOf(keyId: string): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const name of this.#aliases.names(keyId)) {
      const resolved = this.resolve(name, { chat: false, embeddings: false }, keyId);
      if (resolved.ok && resolved.value.reason !== "exact") found.set(name, resolved.value.model);
    }
    return found;
  }

  /** The ids that requests may name now, without aliases. */
  modelIds(): readonly string[] {
    const { replicas, expected } = this.#board.state;
    return [...new Set([...replicas.map(({ model }) => model), ...expected])];
  }

  /** A node's newest state. */
  update(state: NodeState): void {
    const { node, replicas, engines } = state;
    const servedBy = this.#servedBy.get(node) ?? new Map<string, readonly string[]>();
    this.#servedBy.set(node, servedBy);
    const expected = new Set<string>();
    for (const engine of engines) {
      const serving = replicas.filter((replica) => replica.engineId === engine.id).map((replica) => replica.model);
      if (serving.length > 0) servedBy.set(engine.id, serving);
      for (const model of servedBy.get(engine.id) ?? engine.models) expected.add(model);
    }
    this.#board.update(node, { replicas, engines, expected: [...expected] });
  }

  /** The node is gone, and what only it served with it. */
  remove(node: string): void {
    this.#servedBy.delete(node);
    this.#board.remove(node);
  }

  /** The model behind `auto`; "" when nothing is served. */
  defaultModel(): string {
    const { state } = this.#board;
    // Every request asks; the answer changes with the board only.
    if (state === this.#defaultOf) return this.#lastDefault;
    const wish = { configured: this.#wantedDefault, preferred: this.#preferred, last: this.#lastDefault };
    this.#lastDefault = chooseDefaultModel(state, wish);
    this.#defaultOf = state;
    return this.#lastDefault;
  }

  /** `keyId`: whose aliases count. */
  resolve(
    name: string,
    need: { chat: boolean; embeddings: boolean; rerank?: boolean },
    keyId = "",
    wants: Wants | null = null,
  ): Result<ResolvedModel, Failure> {
    const { replicas, expected } = this.#board.state;
    const defaultModel = this.defaultModel();
    const snapshot = { replicas, expected, defaultModel, aliases: this.#aliases, sources: this.#sources };
    return resolveModel(name, need, snapshot, keyId, wants);
  }
}
