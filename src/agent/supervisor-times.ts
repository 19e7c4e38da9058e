/** All durations of the supervisor, so that tests need not wait. */
export interface SupervisorTimes {
  /** Wait before the first, second, … restart; when the last of them has failed too, the engine is a `crashloop`. */
  readonly backoffMs: readonly number[];
  /** An engine that was ready for so long has its failures forgiven. */
  readonly stableMs: number;
  readonly readyPollMs: number;
  readonly healthEveryMs: number;
  readonly healthTimeoutMs: number;
  /** The same after a check that failed: a hung engine is not waited for. */
  readonly healthAgainMs: number;
  /** So many health checks in a row must fail before a ready engine is taken for hung. */
  readonly healthFailures: number;
  /** Between SIGTERM and SIGKILL when it is asked to stop. */
  readonly stopGraceMs: number;
  /** The same for one that hangs: it is not serving anybody. */
  readonly hungGraceMs: number;
  /** How often a taken-over child is looked at. */
  readonly adoptedPollMs: number;
}

export const SUPERVISOR_TIMES: SupervisorTimes = {
  backoffMs: [1_000, 2_000, 4_000, 8_000, 16_000],
  stableMs: 60_000,
  readyPollMs: 25,
  healthEveryMs: 30_000,
  healthTimeoutMs: 5_000,
  healthAgainMs: 1_000,
  healthFailures: 3,
  stopGraceMs: 10_000,
  hungGraceMs: 1_000,
  adoptedPollMs: 250,
};
