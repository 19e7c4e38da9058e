import { expect, test } from "bun:test";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { fingerprintOf, makeCertificate, normalFingerprint } from "./certificate.ts";
import { integer, objectId, time } from "./der.ts";

const NOW = Date.UTC(2026, 5, 1);

test("a certificate reads as a self-signed one with its key, valid from the day before", () => {
  const made = makeCertificate(NOW);
  const read = new X509Certificate(made.certificate);
  expect(read.subject).toBe("CN=flock");
  expect(read.issuer).toBe("CN=flock");
  expect(read.subjectAltName).toBe("DNS:flock");
  expect(read.ca).toBe(true);
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.checkPrivateKey(createPrivateKey(made.key))).toBe(true);
  expect(new Date(read.validFrom).getTime()).toBe(NOW - 86_400_000);
  expect(new Date(read.validTo).getUTCFullYear()).toBe(2046);
});

test("each has a fingerprint of its own, the one that TLS tells", async () => {
  const [one, other] = [makeCertificate(NOW), makeCertificate(NOW)];
  expect(fingerprintOf(one.certificate)).toMatch(/^[0-9a-f]{64}$/);
  expect(fingerprintOf(one.certificate)).not.toBe(fingerprintOf(other.certificate));
  const seen = Promise.withResolvers<string>();
  using server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: one.certificate, key: one.key },
    socket: { data: () => undefined },
  });
  const tls = { ca: one.certificate, serverName: "flock" };
  await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    tls,
    socket: {
      data: () => undefined,
      handshake: (socket, _, problem) => {
        if (problem) seen.reject(problem);
        else seen.resolve(normalFingerprint(socket.getPeerCertificate().fingerprint256));
        socket.end();
      },
    },
  });
  expect(await seen.promise).toBe(fingerprintOf(one.certificate));
});

test("a client that trusts another certificate refuses it", async () => {
  const [own, other] = [makeCertificate(NOW), makeCertificate(NOW)];
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: own.certificate, key: own.key },
    fetch: () => new Response("reached"),
  });
  const ask = (ca: string) =>
    fetch(`https://127.0.0.1:${server.port}/`, { keepalive: false, tls: { ca, checkServerIdentity: () => undefined } });
  expect(await (await ask(own.certificate)).text()).toBe("reached");
  expect(
    await ask(other.certificate).then(
      () => "reached",
      () => "refused",
    ),
  ).toBe("refused");
});

test("numbers, object ids and times are written as DER wants them", () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  expect(hex(integer(Uint8Array.of(0, 0, 5)))).toBe("020105");
  expect(hex(integer(Uint8Array.of(0x80)))).toBe("02020080");
  expect(hex(objectId("1.2.840.10045.4.3.2"))).toBe("06082a8648ce3d040302");
  expect(Buffer.from(time(new Date(Date.UTC(2049, 11, 31, 23, 59, 58)))).toString("latin1")).toEndWith("491231235958Z");
  expect(Buffer.from(time(new Date(Date.UTC(2050, 0, 1)))).toString("latin1")).toEndWith("20500101000000Z");
});
