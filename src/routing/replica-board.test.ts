import { expect, test } from "bun:test";
import type { EngineStatus } from "../core/node.ts";
import type { Replica } from "../core/replica.ts";
import { ReplicaBoard, type ReplicaGate } from "./replica-board.ts";

const replica = (id: string, node = "local"): Replica => ({
  id,
  node,
  engine: "embedded",
  engineId: "tiny",
  model: "tiny",
  engineModel: "tiny",
  contextTokens: 4096,
  slots: 2,
  abilities: {
    chat: true,
    embeddings: true,
    rerank: false,
    tools: false,
    images: false,
    audio: false,
    thinking: false,
  },
  smokeTest: true,
});
const engine = (state: EngineStatus["state"]): EngineStatus => ({
  id: "tiny",
  kind: "embedded",
  managed: true,
  state,
  endpoint: "",
  secret: "",
  pid: 1,
  restarts: 0,
  problem: null,
  start: "flock up",
  models: ["tiny"],
  epoch: 1,
});
const none = new Set<string>();
const never = new AbortController().signal;

test("the emptier replica is taken, and a tie goes to this node", async () => {
  const board = new ReplicaBoard("local", 1000);
  const [far, near] = [replica("far", "other"), replica("near")];
  board.update("local", { replicas: [far, near], engines: [engine("ready")], expected: [] });
  expect(await board.pick("tiny", none, never)).toMatchObject({ ok: true, value: { replica: { id: "near" } } });
  const end = board.begin(near);
  expect(await board.pick("tiny", none, never)).toMatchObject({ ok: true, value: { replica: { id: "far" } } });
  end();
  end();
  expect(board.busy("near")).toBe(0);
  expect(board.inFlight).toBe(0);
});

test("a request waits for an engine that is starting and gets its replica", async () => {
  const board = new ReplicaBoard("local", 60_000);
  board.update("local", { replicas: [], engines: [engine("backoff")], expected: ["tiny"] });
  const pick = board.pick("tiny", none, never);
  board.update("local", { replicas: [], engines: [engine("starting")], expected: ["tiny"] });
  board.update("local", { replicas: [replica("local/tiny")], engines: [engine("ready")], expected: ["tiny"] });
  expect(await pick).toMatchObject({ ok: true, value: { replica: { id: "local/tiny" } } });
});

test("a client that hangs up while waiting is let go at once", async () => {
  const board = new ReplicaBoard("local", 60_000);
  board.update("local", { replicas: [], engines: [engine("starting")], expected: ["tiny"] });
  const abort = new AbortController();
  const pick = board.pick("tiny", none, abort.signal);
  abort.abort();
  expect(await pick).toEqual({ ok: false, error: { kind: "cancelled" } });
});

test("an engine in a crash loop is not waited for", async () => {
  const board = new ReplicaBoard("local", 60_000);
  board.update("local", { replicas: [], engines: [engine("crashloop")], expected: ["tiny"] });
  expect(await board.pick("tiny", none, never)).toMatchObject({
    ok: false,
    error: { kind: "engine_unreachable", engine: "embedded", start: "flock up" },
  });
});

test("the wait for a replica ends at its limit", async () => {
  const board = new ReplicaBoard("local", 20);
  board.update("local", { replicas: [], engines: [engine("starting")], expected: ["tiny"] });
  expect(await board.pick("tiny", none, never)).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
});

test("a replica that was tried is not offered again", async () => {
  const board = new ReplicaBoard("local", 20);
  board.update("local", { replicas: [replica("a"), replica("b")], engines: [engine("ready")], expected: [] });
  expect(await board.pick("tiny", new Set(["a"]), never)).toMatchObject({ ok: true, value: { replica: { id: "b" } } });
});

/** A gate that can be shut by hand; a new life of the engine opens it. */
class ManualGate implements ReplicaGate {
  readonly #shut = new Map<string, number>();
  readonly #epochs = new Map<string, number>();
  readonly picks: string[] = [];

  get anyShut(): boolean {
    return this.#shut.size > 0;
  }
  shut(id: string): void {
    this.#shut.set(id, performance.now() + 60_000);
  }
  update(replicas: readonly Replica[], epochOf: (replica: Replica) => number): void {
    for (const one of replicas) {
      if (this.#epochs.get(one.id) !== epochOf(one)) this.#shut.delete(one.id);
      this.#epochs.set(one.id, epochOf(one));
    }
  }
  shutUntilMs(id: string): number {
    return this.#shut.get(id) ?? 0;
  }
  picked(id: string): void {
    this.picks.push(id);
  }
}

test("a replica that is shut waits for what its node says of it", async () => {
  const gate = new ManualGate();
  const board = new ReplicaBoard("local", 60_000, gate);
  const dead = replica("local/tiny");
  board.update("local", { replicas: [dead], engines: [engine("ready")], expected: ["tiny"] });
  gate.shut(dead.id);
  const pick = board.pick("tiny", none, never);
  board.update("local", { replicas: [], engines: [engine("backoff")], expected: ["tiny"] });
  board.update("local", { replicas: [dead], engines: [{ ...engine("ready"), epoch: 2 }], expected: ["tiny"] });
  expect(await pick).toMatchObject({ ok: true });
});

test("another replica is taken instead of one that is shut", async () => {
  const gate = new ManualGate();
  const board = new ReplicaBoard("local", 60_000, gate);
  board.update("local", { replicas: [replica("a"), replica("b")], engines: [engine("ready")], expected: [] });
  gate.shut("a");
  expect(board.hasOther(replica("a"))).toBe(true);
  expect(board.hasOther(replica("b"))).toBe(false);
  expect(await board.pick("tiny", none, never)).toMatchObject({ ok: true, value: { replica: { id: "b" } } });
  expect(gate.picks).toEqual(["b"]);
});

test("nodes are told of one by one, and one that goes takes only its own replicas", async () => {
  const board = new ReplicaBoard("local", 20);
  const [near, far] = [replica("local/tiny"), replica("studio/tiny", "studio")];
  board.update("local", { replicas: [near], engines: [engine("ready")], expected: ["tiny"] });
  board.update("studio", { replicas: [far], engines: [{ ...engine("ready"), epoch: 7 }], expected: ["other"] });
  expect(board.state).toMatchObject({ replicas: [near, far], expected: ["tiny", "other"] });
  expect(board.engineOf(far)?.epoch).toBe(7);
  board.remove("local");
  expect(board.state.replicas).toEqual([far]);
  expect(await board.pick("tiny", none, never)).toMatchObject({ ok: true, value: { replica: { id: far.id } } });
});

test("a drained node gets no new requests, and its models are still known", async () => {
  const board = new ReplicaBoard("local", 20);
  const far = replica("studio/tiny", "studio");
  board.update("studio", { replicas: [far], engines: [engine("ready")], expected: [], drained: true });
  expect(board.state).toMatchObject({ replicas: [], expected: ["tiny"] });
  expect(await board.pick("tiny", none, never)).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
});
