/** All durations of the watch over replicas, so that tests need not wait. */
export interface HealthTimes {
  /** How often the work in flight is looked at. */
  readonly tickMs: number;
  /** In flight and silent for so long: the node is asked to look at the engine at once. */
  readonly doubtMs: number;
  /** In flight and no token for so long counts as a failure, where the engine does not show that it works on a prompt. */
  readonly noTokenMs: number;
  /** The same for an engine that cannot show it: its silence may be a long prompt. */
  readonly blindNoTokenMs: number;
  /** So many failures in a row, of either kind, and a replica is shut. */
  readonly failures: number;
  /** How long a shut replica rests before one request may try it; doubles with each trial that fails. */
  readonly shutMs: number;
  readonly mostShutMs: number;
  /** What is in flight at an engine that its node lists no more is given up after so long, when nothing comes. */
  readonly goneSilentMs: number;
  /** Shortest pause between two looks at one engine that traffic asks for. */
  readonly checkPauseMs: number;
  /** A replica that nobody used for so long is asked for one token. */
  readonly idleProbeMs: number;
  readonly probeTimeoutMs: number;
}

export const HEALTH_TIMES: HealthTimes = {
  tickMs: 1_000,
  doubtMs: 10_000,
  noTokenMs: 30_000,
  blindNoTokenMs: 200_000,
  failures: 3,
  shutMs: 3_000,
  mostShutMs: 60_000,
  goneSilentMs: 12_000,
  checkPauseMs: 1_000,
  // Often enough to find a liar before people do; seldom enough to leave a GPU asleep and a cached prompt in its slot.
  idleProbeMs: 300_000,
  probeTimeoutMs: 30_000,
};
