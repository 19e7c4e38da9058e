import { parseArgs } from "node:util";

export interface BenchOptions {
  readonly quick: boolean;
  /** Names of subjects; null: all that there are. */
  readonly only: readonly string[] | null;
  /** Another build of Flock to compare with; null: none. */
  readonly against: string | null;
  readonly soak: number;
  /** Only how long a start takes. */
  readonly start: boolean;
  /** Only Flock, with its engine on the same machine, on a worker over TLS, and on a worker through a tunnel. */
  readonly links: boolean;
  /** Only what routing is worth, simulated. */
  readonly routing: boolean;
  /** Only what the heartbeats of a large cluster cost, and how soon one recovers. */
  readonly cluster: boolean;
  /** Only what keys and their limits cost. */
  readonly limits: boolean;
  /** Only what a stream costs that is translated from one API to another. */
  readonly translated: boolean;
  /** Where Flock's CPU profile goes; null: none is taken. */
  readonly profile: string | null;
  readonly rounds: number | null;
  readonly help: boolean;
}

export const HELP = `npm run bench -- [options]

  --quick            one short round
  --rounds <n>       instead of five
  --only <a,b>       flock, flock-no-quota, nginx, portkey, litellm, bifrost
  --against <ref>    Flock of this checkout against Flock of a commit, and nothing else
  --soak [n]         only: n requests (100,000) to Flock, a tenth of them hung up on; its memory after each tenth
  --start            only: from spawn to listening, against an empty Bun
  --cluster          only: heartbeats of 200 simulated workers, and times after kills and restarts; two minutes
  --links            only: Flock with its engine here, at a worker over TLS, at a worker through a tunnel; on loopback
  --limits           only: what a request pays for its key and its limits, with 10 and with 100,000 keys; seconds
  --translated       only: streams in each API from an engine with OpenAI's chat API, against passthrough; two minutes
  --routing          only: prefix routing against round robin, and fairness, with simulated engines; seconds
  --profile <dir>    take a CPU profile of Flock while it is measured (its figures are then worse)
`;

/** Throws with a line for the terminal on an option that it does not know. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    // `--soak` alone means the usual number.
    args: args.flatMap((arg, at) => (arg === "--soak" && !/^\d+$/.test(args[at + 1] ?? "") ? [arg, "100000"] : [arg])),
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      against: { type: "string" },
      soak: { type: "string", default: "0" },
      start: { type: "boolean", default: false },
      links: { type: "boolean", default: false },
      routing: { type: "boolean", default: false },
      cluster: { type: "boolean", default: false },
      limits: { type: "boolean", default: false },
      translated: { type: "boolean", default: false },
      profile: { type: "string" },
      rounds: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    quick: values.quick,
    only: values.only?.split(",") ?? null,
    against: values.against ?? null,
    soak: positive("soak", values.soak, 0),
    start: values.start,
    links: values.links,
    routing: values.routing,
    cluster: values.cluster,
    limits: values.limits,
    translated: values.translated,
    profile: values.profile ?? null,
    rounds: values.rounds === undefined ? null : positive("rounds", values.rounds, 1),
    help: values.help,
  };
}

function positive(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} must be a whole number, not ${text}`);
  return value;
}
