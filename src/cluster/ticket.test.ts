import { expect, test } from "bun:test";
import { makeLinkKey, signingKeys } from "./link-key.ts";
import { issueTicket, readTicket, type TicketClaims } from "./ticket.ts";

const leader = makeLinkKey();
const worker = makeLinkKey();
const { tickets: key } = signingKeys(leader.linkPrivateKey, worker.linkKey);
const CLAIMS: TicketClaims = {
  node: "n_two",
  caller: "n_one",
  fingerprint: "a".repeat(64),
  service: "file/m",
  digest: "b".repeat(64),
  expiresAt: 1_000,
};
const BEARER = { node: "n_two", fingerprint: "a".repeat(64), now: 999 };

test("the node that it is for reads it with the key that it shares with the leader", () => {
  const own = signingKeys(worker.linkPrivateKey, leader.linkKey);
  expect(readTicket(issueTicket(CLAIMS, key), own.tickets, BEARER)).toEqual({ ok: true, value: CLAIMS });
});

test("it is refused at another node, in other hands, after its time, and when anything of it was changed", () => {
  const why = (ticket: string, bearer = BEARER, with_ = key): string => {
    const read = readTicket(ticket, with_, bearer);
    return read.ok ? "taken" : `${read.error.code}: ${read.error.message}`;
  };
  const good = issueTicket(CLAIMS, key);
  expect(why(good, { ...BEARER, node: "n_three" })).toBe("signature: the ticket is for another node");
  expect(why(good, { ...BEARER, fingerprint: "c".repeat(64) })).toBe("signature: the ticket is another node's");
  expect(why(good, { ...BEARER, now: 1_000 })).toBe("token_expired: the ticket has expired");
  const [, mac = ""] = good.split(".");
  const longer = Buffer.from(JSON.stringify({ ...CLAIMS, expiresAt: 9_000 })).toString("base64url");
  const forged = "signature: the ticket is not one of this node's leader";
  expect(why(`${longer}.${mac}`)).toBe(forged);
  for (const text of ["", ".", "x", "x.y", good.slice(0, -1), `${good}A`, longer]) expect(why(text)).toBe(forged);
  // Keys of the other directions, and of another leader, sign no tickets.
  const others = signingKeys(leader.linkPrivateKey, worker.linkKey);
  expect(why(issueTicket(CLAIMS, others.toWorker))).toBe(forged);
  expect(why(issueTicket(CLAIMS, others.toLeader))).toBe(forged);
  expect(why(issueTicket(CLAIMS, signingKeys(makeLinkKey().linkPrivateKey, worker.linkKey).tickets))).toBe(forged);
});

test("a later version's ticket is told from a forged one", () => {
  const later = { ...CLAIMS, surprise: 1 };
  expect(readTicket(issueTicket(later, key), key, BEARER)).toMatchObject({ error: { code: "invalid" } });
});
