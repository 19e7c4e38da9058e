import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { ask } from "../support/cluster-client.ts";
import { embeddedEngine } from "../support/engine-counters.ts";
import type { ClusterLeader } from "../support/start-cluster.ts";
import { poll } from "../support/start-flock.ts";
import type { Rig } from "./scenarios.ts";

const EXCHANGES = 200;
/** What an engine of the rig has. */
const SLOTS = 64;
const MIB = 1024 * 1024;

/** A client that reads only when it is told to: everything between it and the engine fills up, and then waits. */
class SlowReader {
  text = "";
  readonly #socket: Socket;
  readonly ended: Promise<void>;

  constructor(leader: ClusterLeader, body: object) {
    const { hostname: host, port } = new URL(leader.url);
    this.#socket = connect(leader.way === undefined ? { host, port: Number(port) } : { path: leader.way });
    this.#socket.on("data", (bytes: Buffer) => {
      this.text += bytes.toString("latin1");
    });
    this.ended = new Promise((resolve) => this.#socket.on("close", () => resolve()));
    const sent = JSON.stringify(body);
    const head = [
      "POST /v1/chat/completions HTTP/1.1",
      "host: flock",
      `authorization: Bearer ${leader.adminKey}`,
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(sent)}`,
      "connection: close",
    ];
    this.#socket.write(`${head.join("\r\n")}\r\n\r\n${sent}`);
  }

  reads(on: boolean): void {
    if (on) this.#socket.resume();
    else this.#socket.pause();
  }
}

const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

export function tunnelScenarios(rig: () => Rig): void {
  test("a tunnel carries 200 exchanges at once beside one whose reader has stopped; memory stays, and that one ends whole", async () => {
    const { ground, cluster } = rig();
    const { leader, workers, row } = cluster;
    expect((await row("wide")).link).toBe("tunnel");
    const engine = embeddedEngine(workers.wide.dataDir);
    const loopback = await ground.loopbackOf("wide", engine.port);
    const counters = () => engine.counters(loopback);
    const idle = await poll(20_000, async () => {
      const now = await counters();
      return now.sequencesBusy === 0 ? now : null;
    });
    const flocks = [leader.leads(), workers.wide.pid];
    const before = flocks.map(residentBytes);
    // 2 kB a token: more than the sockets of the way hold.
    const slow = new SlowReader(leader, {
      model: "wide-model",
      stream: true,
      max_tokens: 2_000,
      logprobs: true,
      top_logprobs: 20,
      messages: [{ role: "user", content: "slowly" }],
    });
    await poll(20_000, () => slow.text.includes('"content":"'));
    slow.reads(false);

    const counting = { model: "wide-model", max_tokens: 1, messages: [{ role: "user", content: "hi" }] };
    const others = Array.from({ length: EXCHANGES - 1 }, async (_, at) => {
      // As many answers as it has room for, and beside them what takes no room: the engine counts prompts.
      const answer = await (at < SLOTS - 1
        ? ask(leader, { model: "wide-model", maxTokens: 2 })
        : leader.fetch("/v1/messages/count_tokens", { method: "POST", body: JSON.stringify(counting) }));
      const said = await answer.text();
      // An estimate would mean that the engine was not asked.
      return `${answer.status} ${answer.headers.get("x-flock-count") ?? (/input_tokens|"choices"/.test(said) ? "said" : said)}`;
    });
    expect(new Set(await Promise.all(others))).toEqual(new Set(["200 said"]));

    if (ground.smallBuffers) {
      // Nothing moves any more, all the way back to the engine, which is neither done nor cut off.
      let generated = -1;
      const stuck = await poll(30_000, async () => {
        const now = await counters();
        const still = now.tokensGenerated === generated;
        generated = now.tokensGenerated;
        if (still) return now;
        await Bun.sleep(500);
        return null;
      });
      expect([stuck.sequencesBusy, stuck.requestsAborted]).toEqual([1, idle.requestsAborted]);
    }
    if (process.platform === "linux") {
      const grown = flocks.map((pid, at) => (residentBytes(pid) - (before[at] ?? 0)) / MIB);
      expect(grown.map((mib) => mib < 150)).toEqual([true, true]);
    }
    slow.reads(true);
    await slow.ended;
    expect([slow.text.includes('"finish_reason":"length"'), slow.text.includes("data: [DONE]")]).toEqual([true, true]);
  }, 90_000);
}
