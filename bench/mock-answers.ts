/** What the mock engine says to a model of this name: `mock-100x20` is 100 pieces, one every 20 ms. */
export interface Pace {
  readonly pieces: number;
  /** 0: all at once. */
  readonly everyMs: number;
  /** Before the first byte. */
  readonly delayMs: number;
}

/** Ready bytes, with HTTP's own framing: the mock engine does nothing but write them. */
export interface Answers {
  readonly whole: Buffer;
  /** Head, role and the first piece in one: an engine's first token comes with them. */
  readonly streamStart: Buffer;
  /** The pieces after the first. */
  readonly streamPieces: readonly Buffer[];
  readonly streamEnd: Buffer;
  readonly streamEndWithUsage: Buffer;
}

/** The last piece of each answer: who reads it has the answer whole. */
export const LAST_WORDS = " the end.";
/** Frames beside the pieces in a stream without usage: role, finish reason, `[DONE]`. */
export const EXTRA_FRAMES = 3;

const NAME = /^mock-(\d{1,6})x(\d{1,6})(?:-d(\d{1,6}))?$/;

export function modelName(pace: Pace): string {
  return `mock-${pace.pieces}x${pace.everyMs}${pace.delayMs > 0 ? `-d${pace.delayMs}` : ""}`;
}

export function parseModelName(name: string): Pace | null {
  const found = NAME.exec(name);
  if (!found) return null;
  const pace = { pieces: Number(found[1]), everyMs: Number(found[2]), delayMs: Number(found[3] ?? 0) };
  return pace.pieces > 0 ? pace : null;
}

const IDENTITY = {
  created: 1_795_438_413,
  id: "chatcmpl-Xf2pQm7aVb91LdKs3uTzRw6YhNcE0JgO",
  system_fingerprint: "b1-de3ff81",
};

/** Shapes as recorded from llama-server: role first, finish reason and usage in chunks of their own. */
export function renderAnswers(model: string, pace: Pace): Answers {
  const words = Array.from({ length: pace.pieces }, (_, at) =>
    at === pace.pieces - 1 ? LAST_WORDS : ` word${at % 10}`,
  );
  const usage = {
    completion_tokens: pace.pieces,
    prompt_tokens: 120,
    total_tokens: pace.pieces + 120,
    prompt_tokens_details: { cached_tokens: 0 },
  };
  const frame = (choices: readonly unknown[], more: object = {}): string =>
    `data: ${JSON.stringify({ choices, ...IDENTITY, model, object: "chat.completion.chunk", ...more })}\n\n`;
  const delta = (value: object, finish: string | null = null): string =>
    frame([{ finish_reason: finish, index: 0, delta: value }]);
  const [first = "", ...others] = words;
  const role = delta({ role: "assistant", content: null });
  const finish = delta({}, "stop");
  const last = "data: [DONE]\n\n";
  const head =
    "HTTP/1.1 200 OK\r\nServer: mock\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  const message = { role: "assistant", content: words.join("") };
  const body = { choices: [{ finish_reason: "stop", index: 0, message }], ...IDENTITY, model };
  return {
    whole: jsonResponse(200, { ...body, object: "chat.completion", usage }),
    streamStart: Buffer.from(head + chunked(role + delta({ content: first }))),
    streamPieces: others.map((word) => Buffer.from(chunked(delta({ content: word })))),
    streamEnd: Buffer.from(`${chunked(finish) + chunked(last)}0\r\n\r\n`),
    streamEndWithUsage: Buffer.from(`${chunked(finish) + chunked(frame([], { usage })) + chunked(last)}0\r\n\r\n`),
  };
}

export function jsonResponse(status: number, body: unknown): Buffer {
  const text = JSON.stringify(body);
  return Buffer.from(
    `HTTP/1.1 ${status} ${status === 200 ? "OK" : "Error"}\r\nServer: mock\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

function chunked(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}
