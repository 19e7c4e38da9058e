import { expect, test } from "bun:test";
import { makeCertificate } from "../cluster/certificate.ts";
import { listenRaw } from "../cluster/raw-listener.ts";
import type { RawSocket } from "../cluster/raw-socket.ts";
import { readFirstLine, writeLine } from "../cluster/transport/json-lines.ts";
import { wait } from "../core/wait.ts";
import { LeaderAudience } from "./leader-audience.ts";
import { DIAL_TIMES, TunnelDialer } from "./tunnel-dialer.ts";

const own = makeCertificate(Date.now());

test("a leader that refused is dialled at once when what it refused for is over", async () => {
  let knows = false;
  const taken = Promise.withResolvers<void>();
  const refused = Promise.withResolvers<void>();
  const tls = { certificate: own.certificate, key: own.key, client: null };
  const answer = async (socket: RawSocket): Promise<void> => {
    await readFirstLine(socket, AbortSignal.timeout(5_000));
    writeLine(socket, knows ? { ok: true, protocol: 4 } : { error: { code: "unknown_node", message: "", mend: "" } });
    if (knows) taken.resolve();
  };
  const leader = listenRaw({ host: "127.0.0.1", port: 0, tls }, (socket) => void answer(socket));
  const dialer = new TunnelDialer({
    addresses: () => [`127.0.0.1:${leader.port}`],
    tls: { pinned: own.certificate },
    signer: () => ({ sign: () => "signed" }),
    audience: new LeaderAudience(own.certificate),
    ownAudience: "workerworker",
    times: { ...DIAL_TIMES, retryMs: [600_000, 600_000] },
    accept: () => undefined,
    refused: () => refused.resolve(),
    connected: () => undefined,
    log: () => undefined,
  });
  dialer.start();
  await refused.promise;
  knows = true;
  // It begins to wait a moment after it was refused.
  const again = setInterval(() => dialer.hurry(), 5);
  await taken.promise;
  clearInterval(again);
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
    audience: new LeaderAudience(own.certificate),
    ownAudience: "workerworker",
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
