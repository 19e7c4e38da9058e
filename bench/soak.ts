import type { LoadDriver } from "./driver-client.ts";
import { residentBytes } from "./process-cost.ts";
import { abortedRequests } from "./scenarios.ts";
import type { Subject } from "./subject.ts";

export interface SoakStep {
  readonly requests: number;
  readonly residentBytes: number;
  readonly lost: number;
  readonly aborted: number;
}

const STEPS = 10;

/** Many streamed requests, a tenth of them hung up on. Memory after each tenth of them. */
export async function soak(
  driver: LoadDriver,
  subject: Subject,
  requests: number,
  step: (step: SoakStep) => void,
): Promise<void> {
  for (let at = 1; at <= STEPS; at += 1) {
    const { lost, aborted } = await driver.run(abortedRequests(subject, requests / STEPS));
    await Bun.sleep(1000);
    step({ requests: (at * requests) / STEPS, residentBytes: residentBytes(subject.pids), lost, aborted });
  }
}
