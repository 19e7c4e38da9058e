import type { LocalLink } from "../../cluster/local-link.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { Followed } from "./follow-store.ts";
import type { Limits } from "./limits.ts";
import { endAgent } from "../own-agent.ts";
import type { Records } from "./records.ts";
import type { WatchedReplicas } from "./replicas.ts";
import type { JobRunner } from "../../jobs/job-runner.ts";
import type { HandOver } from "../../leader/hand-over.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";

/** How a leader ends, or makes room for its successor (docs/decisions/0023-restart.md). */
export interface Lifecycle {
  /**
   * Once no request runs any more: stops the engines and settles the records. Every step is tried. After `handOver` agent
   * and engines are the successor's.
   */
  close(): Promise<void>;
  /** Comes to rest in all but answering requests, so that a successor can do the rest. Gives what it should know. */
  handOver(): Promise<HandOver["nodes"]>;
  /** This process ends, or another one answers: who follows something for long asks whoever is there then. */
  leave(): void;
  /** After `handOver`: the successor, a process of this number, serves; workers shall go to it. */
  release(successor: number): void;
  /** The successor failed, or there was no way to make room: this one does everything again. */
  takeBack(): void;
}

export interface LifecycleParts {
  readonly link: LocalLink;
  readonly jobs: JobRunner;
  readonly cluster: Cluster;
  readonly records: Records;
  readonly limits: Limits;
  readonly followed: Followed;
  readonly replicas: WatchedReplicas;
  readonly store: Store;
  readonly dataDir: string;
  readonly log: Log;
}

export function lifecycle(parts: LifecycleParts): Lifecycle {
  const { link, jobs, cluster, records, limits, followed, replicas, store, dataDir, log } = parts;
  let handedOver = false;
  return {
    async handOver() {
      handedOver = true;
      link.hold(true);
      await jobs.stop();
      await cluster.rest();
      await records.handOver();
      await limits.handOver();
      return cluster.workers();
    },
    leave: () => jobs.leave(),
    release: (successor) => cluster.release(successor),
    takeBack() {
      handedOver = false;
      limits.takeBack();
      link.hold(false);
      cluster.lead();
      jobs.startAgain();
    },
    async close() {
      followed.stop();
      const steps: Readonly<Record<string, () => Promise<unknown>>> = {
        "watch over replicas": () => Promise.resolve(replicas.stop()),
        jobs: () => jobs.stop(),
        cluster: () => cluster.close(),
        ...(handedOver ? { link: () => link.close() } : { agent: () => endAgent(link, dataDir) }),
        "usage records": () => records.close(),
        limits: () => limits.stop(),
        store: () => store.close(),
      };
      for (const [what, step] of Object.entries(steps)) {
        await step().catch((cause: unknown) => log.error(`the ${what} did not stop cleanly`, { cause }));
      }
    },
  };
}
