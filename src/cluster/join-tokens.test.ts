import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { fingerprintOf } from "./certificate.ts";
import { type JoinTokenRecords, JoinTokens, readJoinToken } from "./join-tokens.ts";
import { identityPath, type LeaderIdentity, openLeaderIdentity } from "./leader-identity.ts";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "flock-identity-"));
  folders.push(folder);
  return folder;
}

function newIdentity(): LeaderIdentity {
  const made = openLeaderIdentity(newFolder(), Date.now());
  if (!made.ok) throw new Error(made.error.message);
  return made.value;
}

function inMemory(): JoinTokenRecords {
  const used = new Map<string, boolean>();
  return {
    add: async (id) => void used.set(id, false),
    spend: async (id) => {
      const before = used.get(id);
      if (before === undefined) return "unknown";
      used.set(id, true);
      return before ? "used" : "spent";
    },
  };
}

const identity = newIdentity();
const time = { ms: 1_800_000_000_000 };
const clock = { now: () => time.ms, monotonicMs: () => time.ms };
const tokens = new JoinTokens(identity, inMemory(), clock);
const ADDRESSES = ["192.168.1.5:8081", "[fd00::5]:8081"];

async function redeem(token: string, by = tokens): Promise<string> {
  const redeemed = await by.redeem(token);
  return redeemed.ok ? "taken" : `${redeemed.error.code}: ${redeemed.error.message}`;
}

test("a token tells where the leader is and by what to know it, and is taken once", async () => {
  const { token, expiresAt } = await tokens.issue(ADDRESSES);
  expect(readJoinToken(token)).toMatchObject({
    leader: identity.id,
    addresses: ADDRESSES,
    fingerprint: fingerprintOf(identity.certificate),
  });
  expect(expiresAt).toBe(time.ms + 300_000);
  expect(await redeem(token)).toBe("taken");
  expect(await redeem(token)).toBe("token_used: this join token was used already: each is for one machine");
});

test("after five minutes it has expired", async () => {
  const { token } = await tokens.issue(ADDRESSES);
  const before = time.ms;
  time.ms += 300_001;
  expect(await redeem(token)).toBe("token_expired: the join token has expired: it is good for 5 minutes");
  time.ms = before;
});

test("another leader's token, a changed one, an unsigned one and nonsense are refused", async () => {
  const other = new JoinTokens(newIdentity(), inMemory(), clock);
  const { token } = await tokens.issue(ADDRESSES);
  expect(await redeem(token, other)).toBe("token_foreign: the join token was not made by this leader");
  const [head = "", body = "", mac = ""] = token.split(".");
  const claims = { ...JSON.parse(Buffer.from(body, "base64url").toString()), exp: 4_000_000_000 } as object;
  const changed = Buffer.from(JSON.stringify(claims)).toString("base64url");
  expect(await redeem(`${head}.${changed}.${mac}`)).toStartWith("token_foreign");
  const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  expect(await redeem(`${none}.${body}.`)).toStartWith("token_foreign");
  expect(await redeem("not a token")).toStartWith("token_foreign");
  const unknown = await new SignJWT({ iss: "flock" })
    .setProtectedHeader({ alg: "HS256" })
    .sign(Buffer.from(identity.tokenSecret, "base64url"));
  expect(await redeem(unknown)).toStartWith("token_foreign");
  expect(readJoinToken("not a token")).toBeNull();
});

test("a token that was never written down is refused though its signature is good", async () => {
  const { token } = await new JoinTokens(identity, inMemory(), clock).issue(ADDRESSES);
  expect(await redeem(token)).toBe("token_foreign: this leader does not know the join token");
});

test("a leader's keys are made once, for its user alone; a damaged file is never replaced in silence", () => {
  const folder = newFolder();
  const first = openLeaderIdentity(folder, Date.now());
  const again = openLeaderIdentity(folder, Date.now());
  expect(again).toEqual(first);
  expect(statSync(identityPath(folder)).mode & 0o777).toBe(0o600);
  writeFileSync(identityPath(folder), "{");
  const damaged = openLeaderIdentity(folder, Date.now());
  expect(damaged.ok ? "" : damaged.error.mend).toContain("every worker has to join again");
});
