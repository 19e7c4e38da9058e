import { poll } from "./start-flock.ts";
import type { ClusterLeader, NodeRow } from "./start-cluster.ts";

/** Each API's way to ask for a chat, and how it tells a failure in the middle of an answer and a whole one. */
export const DIALECTS = {
  chat: {
    path: "/v1/chat/completions",
    body: (maxTokens: number, content: string) => ({ max_tokens: maxTokens, messages: [{ role: "user", content }] }),
    failed: /^data: \{"error":\{[^\n]+\n\n$/m,
    whole: "data: [DONE]",
  },
  messages: {
    path: "/v1/messages",
    body: (maxTokens: number, content: string) => ({ max_tokens: maxTokens, messages: [{ role: "user", content }] }),
    failed: /^event: error\ndata: \{"type":"error","error":\{[^\n]+\n\n$/m,
    whole: "event: message_stop",
  },
  responses: {
    path: "/v1/responses",
    body: (maxTokens: number, content: string) => ({ max_output_tokens: maxTokens, input: content }),
    failed: /^event: response\.failed\ndata: \{[^\n]+\n\n$/m,
    whole: "event: response.completed",
  },
  ollama: {
    path: "/api/chat",
    body: (maxTokens: number, content: string) => ({
      messages: [{ role: "user", content }],
      options: { num_predict: maxTokens },
    }),
    failed: /^\{"error":[^\n]+\n$/m,
    whole: '"done":true',
  },
} as const;
export type DialectName = keyof typeof DIALECTS;

const PAUSE_MS = 20;

export interface Ask {
  readonly model?: string;
  readonly dialect?: DialectName;
  readonly stream?: boolean;
  readonly maxTokens?: number;
  readonly content?: string;
  readonly signal?: AbortSignal;
}

/** Long enough that a test can do something while it is being said. */
const LONG = 1_000;

/** One chat, by the model `team` unless another is named. */
export function ask(leader: Pick<ClusterLeader, "fetch">, wish: Ask = {}): Promise<Response> {
  const { model = "team", dialect = "chat", stream = false, maxTokens = LONG, content = "hi" } = wish;
  const { path, body } = DIALECTS[dialect];
  return leader.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, stream, ...body(maxTokens, content) }),
    ...(wish.signal === undefined ? {} : { signal: wish.signal }),
  });
}

export function replicaOf(answer: Response): string {
  return answer.headers.get("x-flock-replica") ?? "";
}

/**
 * A long answer that this node gives. Those of other nodes are held meanwhile, so that the emptier one is chosen: short
 * ones would have ended by then.
 */
export async function streamOn(leader: ClusterLeader, node: string, wish: Ask = {}): Promise<Response> {
  const held: Response[] = [];
  const found = await poll(20_000, async () => {
    const answer = await ask(leader, { ...wish, stream: true, content: `${held.length} ${node}` });
    if (replicaOf(answer).startsWith(`${node}/`)) return answer;
    held.push(answer);
    return null;
  });
  for (const answer of held) await answer.body?.cancel();
  return found;
}

/**
 * Short answers one after the other, until the returned function is called; gives what came: the replica of an answer,
 * `status <n>: <body>`, or `broken` where the connection was.
 */
export function load(lanes: number, one: () => Promise<Response>): () => Promise<readonly string[]> {
  const over = new AbortController();
  const seen: string[] = [];
  const lane = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const said = await one().then(
        async (answer) => {
          const text = await answer.text();
          return answer.ok ? replicaOf(answer) : `status ${answer.status}: ${text}`;
        },
        () => "broken",
      );
      seen.push(said);
      // A load, and no race: the machine has other tests to run, and whoever starts needs its share.
      await Bun.sleep(PAUSE_MS);
    }
  };
  const running = Array.from({ length: lanes }, lane);
  return async () => {
    over.abort();
    await Promise.all(running);
    return seen;
  };
}

/** Waits until the cluster's nodes are so; what they were at last is in the error. */
async function nodesUntil<T>(
  leader: ClusterLeader,
  withinMs: number,
  look: (rows: readonly NodeRow[]) => T | undefined | false,
): Promise<T> {
  let rows: readonly NodeRow[] = [];
  const found = await poll(withinMs, async () => {
    rows = await leader.nodes();
    const value = look(rows);
    return value === undefined || value === false ? null : { value };
  }).catch((cause: unknown) => {
    const seen = rows.map(({ name, state, link, models, engines }) => {
      const had = engines.map((engine) => `${engine.id} ${engine.state}`).join();
      return `${name} ${state} by ${link}: ${models.map(({ id }) => id).join()} on ${had}`;
    });
    throw new Error(`the nodes are not as wanted:\n${seen.join("\n")}`, { cause });
  });
  return found.value;
}

/** Waits until the node of this name is as wanted. */
export function nodeWhere(leader: ClusterLeader, name: string, is: (row: NodeRow) => boolean): Promise<NodeRow> {
  return nodesUntil(leader, 60_000, (rows) => rows.find((row) => row.name === name && is(row)));
}

/** Waits until these nodes, and no others, are ready and serve the model. */
export async function servedBy(leader: ClusterLeader, model: string, names: readonly string[]): Promise<void> {
  await nodesUntil(leader, 60_000, (rows) => {
    const serving = rows.filter(({ state, models }) => state === "ready" && models.some(({ id }) => id === model));
    return (
      names.toSorted().join() ===
      serving
        .map(({ name }) => name)
        .toSorted()
        .join()
    );
  });
}
