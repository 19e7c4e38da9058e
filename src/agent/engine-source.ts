import type { CheckAnswer, CheckBody } from "../cluster/agent-protocol.ts";
import type { EngineStatus } from "../core/node.ts";
import type { EngineKind, Replica } from "../core/replica.ts";
import type { Result } from "../core/result.ts";
import type { EngineInfo, ServedModel } from "../engine/driver.ts";
import type { AdapterChange } from "./adapters.ts";
import type { ModelRefusal } from "./loaded-models.ts";
import type { LogPiece } from "./log-file.ts";

/** One engine of this node as the agent sees it, whoever started it. */
export interface EngineSource {
  readonly id: string;
  status(): EngineStatus;
  /** Empty while it is not ready. */
  replicas(): readonly Replica[];
  /** What it computes on; null: the CPU, or not known yet. */
  gpu(): string | null;
  start(): void;
  /** These three are what a person asks for. False: it was started by a person, and only a person can do it. */
  restart(): boolean;
  resume(): boolean;
  /** Stays ended until `resume` or `restart`, also over a start of the agent. Resolves when it is gone. */
  halt(): Promise<boolean>;
  /** Looks at it now, because traffic saw something; an engine of ours that gets too many strikes is started again. */
  check(doubt: CheckBody): Promise<CheckAnswer>;
  /** Puts a LoRA adapter on its model, or takes one off. Resolves when that is done or under way. */
  adapt(change: AdapterChange): Promise<Result<void, ModelRefusal>>;
  /** What a person should mend though it runs, with the command; see `NodeState.problems`. */
  advice?(): string | null;
  /** Newest lines of its log, oldest first, or those after a place in it. */
  logs(lines: number, after?: string): LogPiece;
  /** Ends it when it is ours. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Stops looking after it and lets it run on. */
  release(): Promise<void>;
}

export function toReplicas(node: string, engineId: string, kind: EngineKind, info: EngineInfo): Replica[] {
  return info.models.map((served: ServedModel) => ({
    id: `${node}/${engineId}/${served.model}`,
    node,
    engine: kind,
    engineId,
    model: served.model,
    engineModel: served.engineModel,
    contextTokens: served.contextTokens,
    slots: served.slots,
    abilities: served.abilities,
    smokeTest: served.smokeTest,
    ...(served.parent === undefined ? {} : { parent: served.parent }),
    ...(served.lora === undefined ? {} : { lora: served.lora }),
    ...(served.keepAlive === undefined ? {} : { keepAlive: served.keepAlive }),
    ...(served.toolSyntax === undefined ? {} : { toolSyntax: served.toolSyntax }),
    ...(served.load === undefined ? {} : { load: served.load }),
  }));
}
