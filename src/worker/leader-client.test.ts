import { expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
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

/** A leader that answers, and whatever it is that hears of its requests. */
function leaderAt(certificate: OwnCertificate, heard: (port: number) => void) {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: certificate.certificate, key: certificate.key },
    fetch(request, at) {
      heard(at.requestIP(request)?.port ?? 0);
      return Response.json({});
    },
  });
}

function callsTo(certificate: string, port: number, answerMs = 5_000) {
  return leaderClient({
    certificate,
    addresses: () => [`127.0.0.1:${port}`],
    signer: () => ({ sign: () => "signed" }),
    audience: new LeaderAudience(certificate),
    answered: () => undefined,
    answerMs,
  });
}

test("calls go over one connection, one after the other", async () => {
  const own = makeCertificate(Date.now());
  const ports = new Set<number>();
  const server = leaderAt(own, (port) => ports.add(port));
  const calls = callsTo(own.certificate, server.port ?? 0);
  for (let call = 0; call < 5; call++) expect((await calls.call("POST", "/x", { call }, FOREVER)).ok).toBe(true);
  expect(ports.size).toBe(1);
  await server.stop(true);
});

test("a kept connection that leads nowhere any more costs one call; the next one has a connection of its own", async () => {
  const own = makeCertificate(Date.now());
  const server = leaderAt(own, () => undefined);
  const near = new Set<Socket>();
  const between = createServer((from) => {
    near.add(from);
    const to = connect({ host: "127.0.0.1", port: server.port ?? 0 });
    from.pipe(to).pipe(from);
    for (const end of [from, to]) end.on("error", () => end.destroy());
  });
  await new Promise<void>((listening) => between.listen(0, "127.0.0.1", listening));
  const address = between.address();
  const calls = callsTo(own.certificate, typeof address === "object" ? (address?.port ?? 0) : 0, 300);
  const call = async () => (await calls.call("POST", "/x", {}, FOREVER)).ok;
  expect([await call(), await call()]).toEqual([true, true]);
  // Forgotten: what comes is dropped, and nobody says so.
  for (const socket of near) socket.unpipe().resume();
  expect([await call(), await call()]).toEqual([false, true]);
  expect(near.size).toBe(2);
  for (const socket of near) socket.destroy();
  between.close();
  await server.stop(true);
});
