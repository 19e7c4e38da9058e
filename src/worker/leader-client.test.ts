import { expect, test } from "bun:test";
import { makeCertificate, type OwnCertificate } from "../cluster/certificate.ts";
import { connectRaw } from "../cluster/raw-connect.ts";
import { LeaderAudience } from "./leader-audience.ts";
import { leaderClient } from "./leader-client.ts";

const FOREVER = new AbortController().signal;
const YEAR_MS = 365 * 86_400_000;

/** Somebody who answers with this certificate; asked by a worker that knows its leader by that one. */
async function asked(shown: OwnCertificate, pinned: string) {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: shown.certificate, key: shown.key },
    fetch: () => Response.json({}),
  });
  const address = `127.0.0.1:${server.port}`;
  const calls = leaderClient({
    certificate: pinned,
    addresses: () => [address],
    signer: () => ({ sign: () => "signed" }),
    audience: new LeaderAudience(pinned),
    answered: () => undefined,
  });
  const called = await calls.call("POST", "/x", {}, FOREVER);
  const dialled = await connectRaw({ host: "127.0.0.1", port: server.port ?? 0, tls: { pinned } }, FOREVER);
  await server.stop(true);
  return [called.ok ? "ok" : called.error.message, dialled.ok ? "ok" : dialled.error.message];
}

test("the leader by its certificate, another one, and the right one at the wrong time are told apart", async () => {
  const [own, other] = [makeCertificate(Date.now()), makeCertificate(Date.now())];
  expect(await asked(own, own.certificate)).toEqual(["ok", "ok"]);
  expect(await asked(other, own.certificate)).toEqual([
    expect.stringContaining("another leader answers than the one that this machine joined"),
    expect.stringContaining("it shows another certificate"),
  ]);
  for (const madeAt of [Date.now() + YEAR_MS, Date.now() - 21 * YEAR_MS]) {
    const certificate = makeCertificate(madeAt);
    expect(await asked(certificate, certificate.certificate)).toEqual([
      expect.stringMatching(/this machine's clock says \S+Z, when the leader's certificate is not valid/),
      "by this machine's clock its certificate is not valid",
    ]);
  }
});

test("calls go over one connection, one after the other", async () => {
  const { certificate, key } = makeCertificate(Date.now());
  const ports = new Set<number | undefined>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: certificate, key },
    fetch(request, at) {
      ports.add(at.requestIP(request)?.port);
      return Response.json({});
    },
  });
  const calls = leaderClient({
    certificate,
    addresses: () => [`127.0.0.1:${server.port}`],
    signer: () => ({ sign: () => "signed" }),
    audience: new LeaderAudience(certificate),
    answered: () => undefined,
  });
  for (let call = 0; call < 5; call++) expect((await calls.call("POST", "/x", { call }, FOREVER)).ok).toBe(true);
  expect(ports.size).toBe(1);
  await server.stop(true);
});

const UNSIGNED = { error: { code: "signature", message: "the call is not signed", mend: "flock join" } };

/** A leader whose answers a test gives; `to` is whom a call was made out to. */
async function answering(answer: (to: string, port: number | undefined) => Response, protocol: () => number) {
  const { certificate, key } = makeCertificate(Date.now());
  const said: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: certificate, key },
    fetch(request, at) {
      const to = request.headers.get("x-flock-signed");
      said.push(to ?? "hello");
      if (to !== null) return answer(to, at.requestIP(request)?.port);
      const hello = { id: "l_1", protocol: protocol(), oldestProtocol: 3, version: "1", at: 1 };
      return Response.json(protocol() < 4 ? hello : { ...hello, audience: "successor" });
    },
  });
  const audience = new LeaderAudience(certificate);
  const calls = leaderClient({
    certificate,
    addresses: () => [`127.0.0.1:${server.port}`],
    signer: () => ({ sign: (_, to) => `to ${to ?? "nobody"}` }),
    audience,
    answered: () => undefined,
  });
  return { said, audience, calls, [Symbol.asyncDispose]: () => server.stop(true) };
}

test("a leader of protocol 3 is asked what it speaks, and called as it wants to be from then on", async () => {
  const answer = (to: string): Response =>
    to === "to nobody" ? Response.json({}) : Response.json(UNSIGNED, { status: 401 });
  await using leader = await answering(answer, () => 3);
  // As after a leader that was taken back to an earlier version.
  leader.audience.heard("gonegone");
  for (let call = 0; call < 2; call++) expect((await leader.calls.call("POST", "/x", {}, FOREVER)).ok).toBe(true);
  expect(leader.said).toEqual(["to gonegone", "hello", "to nobody", "to nobody"]);
});

test("one of protocol 3 that has handed over is not taken for its successor, though it still has our connection", async () => {
  let old: number | undefined;
  const answer = (_: string, port: number | undefined): Response => {
    old ??= port;
    return port === old ? Response.json(UNSIGNED, { status: 401 }) : Response.json({});
  };
  await using leader = await answering(answer, () => 4);
  leader.audience.heard("successor");
  expect((await leader.calls.call("POST", "/x", {}, FOREVER)).ok).toBe(true);
  expect(leader.said).toEqual(["to successor", "hello", "to successor"]);
});

test("a leader that refuses a signature for good has the last word", async () => {
  await using leader = await answering(
    () => Response.json(UNSIGNED, { status: 401 }),
    () => 4,
  );
  leader.audience.heard("successor");
  const asked = await leader.calls.call("POST", "/x", {}, FOREVER);
  expect(asked.ok ? {} : asked.error).toMatchObject({ kind: "refused", code: "signature" });
  expect(leader.said.filter((what) => what !== "hello").length).toBe(2);
});
