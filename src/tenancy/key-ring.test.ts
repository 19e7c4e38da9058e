import { expect, test } from "bun:test";
import { UNLIMITED } from "../core/principal.ts";
import { allKeys, insertKey, type KeyRecord } from "../store/keys.ts";
import { FakeClock, onEachDatabase } from "../store/test-store.ts";
import { ensureUser } from "../store/users.ts";
import { KeyRing } from "./key-ring.ts";
import { hashSecret, looksLikeSecret, newSecret, secretPrefix } from "./key-secret.ts";

function keyOf(secret: string, changes: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id: "key_1",
    name: "laptop",
    userId: "user_1",
    userName: "alice",
    scope: "user",
    hash: hashSecret(secret),
    prefix: secretPrefix(secret),
    limits: UNLIMITED,
    models: [],
    localOnly: false,
    priority: "interactive",
    createdAt: 1,
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
    ...changes,
  };
}

test("a secret has 256 random bits behind the prefix, and shows four of its characters", () => {
  const secret = newSecret();
  expect(secret).toMatch(/^sk-orc-[A-Za-z0-9_-]{43}$/);
  expect(looksLikeSecret(secret)).toBe(true);
  expect(newSecret()).not.toBe(secret);
  expect(secretPrefix(secret)).toBe(`${secret.slice(0, 11)}…`);
  expect(hashSecret("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("a key is found with its rights, and revocation and expiry count from their moment on", () => {
  const clock = new FakeClock();
  const secret = newSecret();
  const key = keyOf(secret, { scope: "admin", models: ["m"], localOnly: true, expiresAt: clock.ms + 10 });
  const ring = new KeyRing(clock, [key]);
  expect(ring.find(secret)).toEqual({
    ok: true,
    value: {
      keyId: "key_1",
      keyName: "laptop",
      userId: "user_1",
      scope: "admin",
      limits: UNLIMITED,
      models: ["m"],
      localOnly: true,
      priority: "interactive",
      expiresAt: clock.ms + 10,
    },
  });
  clock.ms += 10;
  expect(reason(ring, secret)).toContain("expired at 2026-01-15T12:00:00.010Z");
  ring.put({ ...key, expiresAt: null });
  expect(ring.find(secret).ok).toBe(true);
  ring.put({ ...key, revokedAt: clock.ms });
  expect(reason(ring, secret)).toContain("revoked");
  ring.remove(key.hash);
  expect(reason(ring, secret)).toContain("not known");
});

test("what is known of a sender's key is its hash alone: it expires and is revoked all the same", () => {
  const clock = new FakeClock();
  const [secret, sender] = [newSecret(), {}];
  const key = keyOf(secret, { expiresAt: clock.ms + 10 });
  const ring = new KeyRing(clock, [key]);
  expect([ring.find(secret, sender).ok, ring.find(secret, sender).ok]).toEqual([true, true]);
  clock.ms += 10;
  expect(ring.find(secret, sender).ok).toBe(false);
  ring.put({ ...key, expiresAt: null });
  expect(ring.find(secret, sender).ok).toBe(true);
  ring.put({ ...key, revokedAt: clock.ms });
  expect(ring.find(secret, sender).ok).toBe(false);
});

function reason(ring: KeyRing, secret: string): string {
  const found = ring.find(secret);
  if (found.ok || found.error.kind !== "unauthenticated") throw new Error("it was let in");
  return found.error.reason;
}

test("a refusal says what to do and never repeats the secret", () => {
  const ring = new KeyRing(new FakeClock(), []);
  expect(reason(ring, "")).toContain("Authorization: Bearer sk-orc-…");
  for (const secret of [newSecret(), "sk-ant-api03-abcdef", "hunter2hunter2"]) {
    expect(reason(ring, secret)).toContain("flock token create");
    expect(reason(ring, secret)).not.toContain(secret.slice(7));
  }
});

/** This process's own work since then: unlike the time that passed, it does not grow with what else this machine does. */
function workedMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

onEachDatabase((openTestStore) => {
  test("100,000 keys take two seconds of a CPU at most to load, and one is found in microseconds", async () => {
    await using t = await openTestStore();
    const secrets = Array.from({ length: 100_000 }, (_, index) => `sk-orc-${index}`);
    await t.store.write(async (tx) => {
      const user = await ensureUser(tx, "alice", 1);
      await insertKey(tx, keyOf("template", { id: "template", name: "template", userId: user.id }));
      for (let start = 0; start < secrets.length; start += 1000) {
        const rows = secrets.slice(start, start + 1000).map((secret, index) => ({
          id: `key_${start + index}`,
          name: `key-${start + index}`,
          user_id: user.id,
          scope: "user",
          hash: hashSecret(secret),
          prefix: "p",
          daily_tokens: 0,
          requests_per_minute: 0,
          tokens_per_minute: 0,
          concurrency: 0,
          models: "[]",
          local_only: 0,
          created_at: 1,
        }));
        await tx`insert into keys ${tx(rows)}`;
      }
    });
    const start = process.cpuUsage();
    const ring = new KeyRing(t.clock, await allKeys(t.store.sql));
    expect(ring.size).toBe(100_001);
    expect(workedMs(start)).toBeLessThan(2000);
    const lookups = process.cpuUsage();
    for (const secret of secrets) if (!ring.find(secret).ok) throw new Error(secret);
    expect((workedMs(lookups) / secrets.length) * 1000).toBeLessThan(20);
    // Most of it goes to writing the keys, of which nothing is promised.
  }, 180_000);
});
