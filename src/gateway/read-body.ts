import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import { decodeBody, encodingOf } from "./decode-body.ts";
import { Ticker } from "./ticker.ts";

const EMPTY = new Uint8Array();

/**
 * The whole body, at most `maxBytes`, with at most `stallMs` between two pieces of it. The server's own limit answers
 * without a body in the API's shape, so it is set higher than ours and the counting is done here.
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  stallMs: number,
): Promise<Result<Uint8Array<ArrayBuffer>, Failure>> {
  const encoding = encodingOf(request.headers);
  const sent = await readSent(request, maxBytes, stallMs);
  return encoding === null || !sent.ok ? sent : decodeBody(sent.value, encoding, maxBytes);
}

/** As it came over the wire. */
async function readSent(
  request: Request,
  maxBytes: number,
  stallMs: number,
): Promise<Result<Uint8Array<ArrayBuffer>, Failure>> {
  const declared = Number(request.headers.get("content-length") ?? Number.NaN);
  if (declared > maxBytes) return err({ kind: "too_large", limitBytes: maxBytes });
  if (!request.body) return ok(EMPTY);
  // A small body is there already, or comes in one piece: nearly every request. The stall is watched all the same.
  if (declared <= 65_536) return within(request.arrayBuffer(), stallMs, (buffer) => new Uint8Array(buffer));
  return readPieces(request.body, maxBytes, stallMs);
}

async function readPieces(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  stallMs: number,
): Promise<Result<Uint8Array<ArrayBuffer>, Failure>> {
  const reader = body.getReader();
  const pieces: Uint8Array[] = [];
  let total = 0;
  while (true) {
    const piece = await within(reader.read(), stallMs, (read) => read);
    if (!piece.ok) {
      void reader.cancel().catch(() => undefined);
      return piece;
    }
    if (piece.value.done) break;
    total += piece.value.value.byteLength;
    if (total > maxBytes) {
      void reader.cancel().catch(() => undefined);
      return err({ kind: "too_large", limitBytes: maxBytes });
    }
    pieces.push(piece.value.value);
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return ok(whole);
}

export function stalled(limitMs: number): Failure {
  return { kind: "invalid_request", field: null, message: `the request body stopped arriving for ${limitMs / 1000} s` };
}

/** One timer for all uploads that are under way: a timer each would cost more than reading a small body. */
const uploads = new Ticker(1000);

/** A hang-up while uploading is `cancelled`; a pause over the limit is the client's fault. */
function within<T, U>(work: Promise<T>, limitMs: number, map: (value: T) => U): Promise<Result<U, Failure>> {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const watch = {
      tick(nowMs: number): void {
        if (nowMs - startedMs < limitMs) return;
        uploads.remove(seat);
        resolve(err(stalled(limitMs)));
      },
    };
    const seat = uploads.add(watch);
    work.then(
      (value) => {
        uploads.remove(seat);
        resolve(ok(map(value)));
      },
      () => {
        uploads.remove(seat);
        resolve(err({ kind: "cancelled" }));
      },
    );
  });
}
