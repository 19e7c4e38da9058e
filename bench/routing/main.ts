import { percentile } from "../statistics.ts";
import { decisionCost } from "./decision-cost.ts";
import { fairness } from "./fairness.ts";
import { type PolicyName, type RunResult, simulate } from "./simulate.ts";
import { SHARED_PREFIXES } from "./workload.ts";

const POLICIES: readonly PolicyName[] = ["round robin", "least busy", "flock"];
const SEEDS = [1, 2, 3];
const REPLICAS = 8;

/** Prints what routing is worth: simulated engines, the real router, no network and no clock. */
export async function routingBench(): Promise<void> {
  const { prefixes, prefixTokens, questionTokens, outputTokens, requestsPerSecond, seconds } = SHARED_PREFIXES;
  console.log(
    `${REPLICAS} replicas, ${prefixes} shared beginnings of ${prefixTokens} tokens, questions of ${questionTokens},`,
  );
  console.log(
    `answers of ${outputTokens}; ${requestsPerSecond} requests a second (Poisson) for ${seconds} s, caches empty at first\n`,
  );
  console.log("| policy      | seed | output tokens/s | hits  | first token p50 | p99     | busiest over mean |");
  console.log("|-------------|-----:|----------------:|------:|----------------:|--------:|------------------:|");
  for (const policy of POLICIES) {
    for (const seed of SEEDS) {
      const result = await simulate({ workload: SHARED_PREFIXES, policy, seed, replicas: REPLICAS });
      console.log(row(policy, seed, result));
    }
  }
  console.log("\nOne key keeps 50 long requests open, another sends short ones, one after the other\n");
  console.log("| slots | p99 alone, ms | p99 beside, ms | worst, ms | longest answer of the greedy key, ms |");
  console.log("|------:|--------------:|---------------:|----------:|-------------------------------------:|");
  for (const slots of [4, 2, 1]) {
    const { aloneP99Ms, besideP99Ms, besideWorstMs, longestAnswerMs } = await fairness(slots);
    const cells = [aloneP99Ms, besideP99Ms, besideWorstMs, longestAnswerMs].map((ms) => ms.toFixed(0));
    console.log(`| ${[slots, ...cells].join(" | ")} |`);
  }
  console.log("\nOne decision: 200 replicas, 10,000 known beginnings, a prompt of 7,200 tokens\n");
  const { hashUs, lookUs, wholeUs } = decisionCost();
  console.log(`cutting the prompt into blocks ${hashUs.toFixed(1)} µs, looking them up ${lookUs.toFixed(1)} µs,`);
  console.log(`all of it, from the request to its slot and back: ${wholeUs.toFixed(1)} µs (medians)`);
}

function row(policy: PolicyName, seed: number, result: RunResult): string {
  const cells = [
    policy,
    String(seed),
    result.outputTokensPerSecond.toFixed(0),
    `${(result.hitRate * 100).toFixed(1)} %`,
    `${percentile(result.firstTokenMs, 0.5).toFixed(0)} ms`,
    `${percentile(result.firstTokenMs, 0.99).toFixed(0)} ms`,
    result.worstLoad.toFixed(2),
  ];
  return `| ${cells.join(" | ")} |`;
}
