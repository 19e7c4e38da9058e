import { systemClock } from "../src/core/clock.ts";
import type { LimitStandings } from "../src/core/limit-standing.ts";
import { type KeyLimits, type Principal, UNLIMITED } from "../src/core/principal.ts";
import { addRateLimitHeaders } from "../src/dialect/rate-limit-headers.ts";
import { admit } from "../src/gateway/admit.ts";
import type { KeyRecord } from "../src/store/keys.ts";
import { KeyRing } from "../src/tenancy/key-ring.ts";
import { hashSecret } from "../src/tenancy/key-secret.ts";
import { keyLimits } from "../src/tenancy/key-limits.ts";
import { LocalLeases } from "../src/tenancy/local-leases.ts";
import { LocalRates } from "../src/tenancy/local-rates.ts";
import { median } from "./statistics.ts";

const FEW = 10;
const MANY = 100_000;
const REQUESTS = 200_000;
const ROUNDS = 9;

/** High enough never to refuse. */
const HIGH = 1_000_000_000_000;
const CASES: readonly [string, KeyLimits][] = [
  ["no limits", UNLIMITED],
  ["requests at once, tokens a day", { ...UNLIMITED, concurrency: HIGH, dailyTokens: HIGH }],
  ["all four limits", { concurrency: HIGH, dailyTokens: HIGH, requestsPerMinute: HIGH, tokensPerMinute: HIGH }],
];

/** What a request pays for its key and its limits: found, admitted, headers, given back. In memory, as with SQLite. */
export function limitsBench(): void {
  console.log(`| a key with | ${FEW} keys, µs | ${MANY.toLocaleString("en")} keys, µs | ratio |\n|---|---|---|---|`);
  for (const [name, limits] of CASES) {
    const rounds = [prepare(FEW, limits), prepare(MANY, limits)] as const;
    const times: [number[], number[]] = [[], []];
    // One after the other, so that what else the machine does falls on both.
    for (let at = 0; at < ROUNDS; at += 1) for (const which of [0, 1] as const) times[which].push(rounds[which]());
    const [few, many] = [median(times[0]), median(times[1])];
    console.log(`| ${name} | ${few.toFixed(2)} | ${many.toFixed(2)} | ${(many / few).toFixed(2)} |`);
  }
}

/** One round: µs a request. */
function prepare(keys: number, limits: KeyLimits): () => number {
  const secrets = Array.from({ length: keys }, (_, at) => `sk-orc-${at}`);
  const ring = new KeyRing(
    systemClock,
    secrets.map((secret, at) => keyOf(secret, at, limits)),
  );
  const leases = new LocalLeases(systemClock, new Map(secrets.map((_, at) => [`key_${at}`, 1])));
  const gateway = keyLimits(leases, new LocalRates(systemClock), systemClock);
  return () => {
    const started = performance.now();
    // The same few keys in both cases: more of them are used by more people, not by one request.
    for (let at = 0; at < REQUESTS; at += 1) request(gateway, ring, secrets[at % FEW] ?? "");
    return ((performance.now() - started) * 1000) / REQUESTS;
  };
}

function request(gateway: ReturnType<typeof keyLimits>, ring: KeyRing, secret: string): void {
  const found = ring.find(secret);
  if (!found.ok) throw new Error("no such key");
  const principal: Principal = found.value;
  const admitted = admit(gateway.policies, {
    principal,
    model: "m",
    promptTokensEstimate: 100,
    maxOutputTokens: 100,
  });
  if (admitted instanceof Promise || !admitted.ok) throw new Error("refused");
  if (principal.limits !== UNLIMITED) addHeaders(gateway.standings.of(principal));
  for (const grant of admitted.value) grant.release(120);
}

function addHeaders(standings: LimitStandings): void {
  addRateLimitHeaders({}, "openai", standings, Date.now());
}

function keyOf(secret: string, at: number, limits: KeyLimits): KeyRecord {
  const times = { createdAt: 1, expiresAt: null, revokedAt: null, lastUsedAt: null };
  const owner = { userId: "user_1", userName: "user", scope: "user" as const };
  const rights = { limits, models: [], localOnly: false, priority: "interactive" as const };
  return { id: `key_${at}`, name: `key-${at}`, hash: hashSecret(secret), prefix: "p", ...owner, ...rights, ...times };
}
