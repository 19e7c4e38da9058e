import { expect, test } from "bun:test";
import { SignJWT } from "jose";
import { JoinTokens } from "./join-tokens.ts";
import { PROOF_TTL_MS, type ProofBearer, RegistrationProofs } from "./registration-proof.ts";

const clock = { ms: Date.UTC(2026, 0, 15), now: () => clock.ms, monotonicMs: () => clock.ms };
const secret = (letter: string): string => Buffer.from(letter.repeat(32)).toString("base64url");
const identity = { id: "l_one", tokenSecret: secret("a") };
const proofs = new RegistrationProofs(identity, clock);
const SUBJECT = {
  node: "n_1",
  name: "gpu-tower",
  machine: "ab".repeat(32),
  assign: false,
  linkKey: "LINK-KEY",
  since: clock.ms - 5,
};

async function said(proof: string, over: Partial<ProofBearer> = {}, by = proofs): Promise<string> {
  const checked = await by.check(proof, { linkKey: SUBJECT.linkKey, machine: SUBJECT.machine, ...over });
  return checked.ok ? "taken" : `${checked.error.code}: ${checked.error.message}`;
}

test("what a leader says of a node comes back as it was, to the bearer of its key and machine", async () => {
  const checked = await proofs.check(await proofs.issue(SUBJECT), SUBJECT);
  expect(checked).toEqual({ ok: true, value: SUBJECT });
});

test("a proof names the key by its hash alone, and no secret", async () => {
  const [, body = ""] = (await proofs.issue(SUBJECT)).split(".");
  const text = Buffer.from(body, "base64url").toString();
  expect(text).not.toContain(SUBJECT.linkKey);
  expect(text).not.toContain(identity.tokenSecret);
});

test("another key, another machine, a changed letter, another leader: each is refused in its own words", async () => {
  const proof = await proofs.issue(SUBJECT);
  expect(await said(proof, { linkKey: "other" })).toBe(
    "proof_refused: the proof of registration is of another credential",
  );
  expect(await said(proof, { machine: "cd".repeat(32) })).toContain("proof_refused: the proof of registration is of");
  const foreign = "proof_refused: the proof of registration was not made by this leader";
  const [head, body, mac] = proof.split(".");
  const changed = JSON.parse(Buffer.from(body ?? "", "base64url").toString()) as object;
  const other = Buffer.from(JSON.stringify({ ...changed, node: "n_2" })).toString("base64url");
  for (const forged of [`${head}.${other}.${mac}`, `${head}.${body}.`, proof.slice(0, -4), "", "x.y.z"])
    expect(await said(forged)).toBe(foreign);
  const elsewhere = new RegistrationProofs({ ...identity, tokenSecret: secret("b") }, clock);
  expect(await said(proof, {}, elsewhere)).toBe(foreign);
  expect(await said(proof, {}, new RegistrationProofs({ ...identity, id: "l_two" }, clock))).toBe(foreign);
});

test("a join token of the same leader is no proof, not even with the same words in it", async () => {
  const records = { add: async () => undefined, spend: async () => "unknown" as const };
  const full = { certificate: "", certificateKey: "", linkKey: "", linkPrivateKey: "", nodePort: 0, ...identity };
  const [, body = ""] = (await proofs.issue(SUBJECT)).split(".");
  const words = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
  const key = Buffer.from(identity.tokenSecret, "base64url");
  const typed = await new SignJWT(words).setProtectedHeader({ alg: "HS256", typ: "flock-proof+jwt" }).sign(key);
  expect(await said(typed)).toContain("was not made by this leader");
  const proof = await proofs.issue(SUBJECT);
  expect(await new JoinTokens(full, records, clock).redeem(proof)).toMatchObject({ error: { code: "token_foreign" } });
});

test("a proof is good for 90 days", async () => {
  const proof = await proofs.issue(SUBJECT);
  clock.ms += PROOF_TTL_MS - 1_000;
  expect(await said(proof)).toBe("taken");
  clock.ms += 2_000;
  expect(await said(proof)).toContain("proof_expired: the proof of registration has expired");
});
