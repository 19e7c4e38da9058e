import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";

type Format = ConstructorParameters<typeof DecompressionStream>[0];

/** Names of `content-encoding` and what they are called here. */
const FORMATS: Readonly<Record<string, Format>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "brotli" as Format,
  zstd: "zstd" as Format,
};

/** Null: the body is not encoded. */
export function encodingOf(headers: Headers): string | null {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  return encoding === "" || encoding === "identity" ? null : encoding;
}

/**
 * The body as it was before the client compressed it, at most `maxBytes` of it: a small upload may unfold into gigabytes,
 * so it is read piece by piece, off this thread, and given up at the limit.
 */
export async function decodeBody(
  bytes: Uint8Array<ArrayBuffer>,
  encoding: string,
  maxBytes: number,
): Promise<Result<Uint8Array<ArrayBuffer>, Failure>> {
  const format = FORMATS[encoding];
  if (format === undefined) {
    const shown = JSON.stringify(encoding.slice(0, 60));
    const message = `content-encoding: ${shown} is not one of ${Object.keys(FORMATS).join(", ")}; or send the body uncompressed`;
    return err({ kind: "invalid_request", field: "content-encoding", message });
  }
  const pieces: Uint8Array[] = [];
  let total = 0;
  try {
    const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
    // Leaving the loop cancels what is still to come.
    for await (const piece of whole) {
      total += piece.byteLength;
      if (total > maxBytes) return err({ kind: "too_large", limitBytes: maxBytes });
      pieces.push(piece);
    }
  } catch {
    return err({
      kind: "invalid_request",
      field: "content-encoding",
      message: `The request body is not valid ${encoding}, as its content-encoding says.`,
    });
  }
  return ok(new Uint8Array(Buffer.concat(pieces, total)));
}
