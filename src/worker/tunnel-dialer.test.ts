import { expect, test } from "bun:test";
import { makeCertificate } from "../cluster/certificate.ts";
import { listenRaw } from "../cluster/raw-listener.ts";
import type { RawSocket } from "../cluster/raw-socket.ts";
import { readFirstLine, writeLine } from "../cluster/transport/json-lines.ts";
import { tunnelHelloV1 } from "../cluster/transport/tunnel-frames.ts";
import { wait } from "../cluster/wait.ts";
import { DIAL_TIMES, TunnelDialer } from "./tunnel-dialer.ts";

const own = makeCertificate(Date.now());

/** A leader of the version before: strict about its own hello, and knowing no other. */
function oldLeader(taken: string[]) {
  const accept = async (socket: RawSocket): Promise<void> => {
    const line = await readText(socket);
    const hello = tunnelHelloV1.safeParse(JSON.parse(line.replace("FLOCK-TUNNEL ", "")));
    if (hello.success) {
      taken.push(hello.data.kind);
      writeLine(socket, { ok: true, protocol: 1 });
      socket.attach({ data: () => undefined, close: () => undefined });
      return;
    }
    writeLine(socket, { error: { code: "invalid", message: "the first line is no hello", mend: "flock update" } });
    socket.end();
  };
  const tls = { certificate: own.certificate, key: own.key, client: null };
  return listenRaw({ host: "127.0.0.1", port: 0, tls }, (socket) => void accept(socket));
}

function readText(socket: RawSocket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.attach({
      data(chunk) {
        text += Buffer.from(chunk).toString();
        if (!text.includes("\n")) return;
        socket.detach(new Uint8Array());
        resolve(text.trim());
      },
      close: () => resolve(text),
    });
  });
}

test("a leader of the protocol before is dialled in its own words, control connection and exchanges", async () => {
  const taken: string[] = [];
  const refused: string[] = [];
  const leader = oldLeader(taken);
  const dialer = new TunnelDialer({
    addresses: () => [`127.0.0.1:${leader.port}`],
    tls: { pinned: own.certificate },
    signer: () => ({ sign: () => "signed" }),
    times: { ...DIAL_TIMES, retryMs: [5, 20] },
    accept: () => undefined,
    refused: (code) => void refused.push(code),
    connected: () => undefined,
    log: () => undefined,
  });
  dialer.start();
  const limit = AbortSignal.timeout(10_000);
  while (taken.length < 3 && !limit.aborted) await wait(5, limit);
  expect(refused).toEqual(["invalid"]);
  expect([...taken].sort((a, b) => (a < b ? -1 : 1))).toEqual(["control", "exchange", "exchange"]);
  await dialer.stop();
  leader.stop(true);
});

test("a leader that says nothing is given up and dialled again", async () => {
  const dialled: number[] = [];
  const tls = { certificate: own.certificate, key: own.key, client: null };
  const silent = listenRaw({ host: "127.0.0.1", port: 0, tls }, (socket) => {
    dialled.push(1);
    void readFirstLine(socket, AbortSignal.timeout(5_000));
  });
  const dialer = new TunnelDialer({
    addresses: () => [`127.0.0.1:${silent.port}`],
    tls: { pinned: own.certificate },
    signer: () => ({ sign: () => "signed" }),
    times: { connectMs: 50, silentMs: 50, retryMs: [1, 2] },
    accept: () => undefined,
    refused: () => undefined,
    connected: () => undefined,
    log: () => undefined,
  });
  dialer.start();
  const limit = AbortSignal.timeout(10_000);
  while (dialled.length < 2 && !limit.aborted) await wait(5, limit);
  expect(dialled.length).toBeGreaterThan(1);
  await dialer.stop();
  silent.stop(true);
});
