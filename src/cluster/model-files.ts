import { z } from "zod";
import type { NodeOperation } from "./link.ts";
import { directWay } from "./ticket.ts";

/** Under this name a node gives its model files over the link that leads to its engines. No engine may be called so. */
export const FILES_SERVICE = "@files";

/** The leader's path for them: `/<model>/<number of the part>?from=<node>`, by range. */
export const MODEL_FILES_PATH = "/admin/v1/model-files";

export const filePath = (model: string, part: number): string => `/${encodeURIComponent(model)}/${part}`;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** One file of a model; a split one has several, in order. */
const modelPart = z.strictObject({
  /** File name, without directories. */
  name: z.string().regex(/^[^/\\\0]+\.gguf$/i),
  bytes: z.number().int().nonnegative(),
  sha256,
});
export type ModelPart = z.infer<typeof modelPart>;

/** Answer of `POST /v1/models/digest`. Asked again until `parts` is there: reading a large model takes minutes. */
const digestAnswer = z.strictObject({
  parts: z.array(modelPart).nullable(),
  doneBytes: z.number(),
  totalBytes: z.number(),
});
export type DigestAnswer = z.infer<typeof digestAnswer>;

/** Body of `POST /v1/model-files/pull`, to a worker: bring this model here. Asked twice, it is brought once. */
export const pullBody = z.strictObject({
  model: z.string().min(1).max(256),
  /** The node that has it. */
  from: z.string().min(1).max(64),
  parts: z.array(modelPart).min(1).max(1000),
  /** How to get there without the leader; each asking brings a fresh ticket. */
  direct: directWay.optional(),
});
export type PullBody = z.infer<typeof pullBody>;

/** Its answer: how far it is. */
const pullAnswer = z.strictObject({
  state: z.enum(["running", "done", "failed"]),
  doneBytes: z.number(),
  totalBytes: z.number(),
  /** Why it failed, in one line. */
  problem: z.string().nullable(),
  /** How it comes, where `direct` was given: straight from the node, or through the leader because of `why`. */
  way: z.strictObject({ direct: z.boolean(), why: z.string().nullable() }).optional(),
});
export type PullAnswer = z.infer<typeof pullAnswer>;

export const PULL_PATH = "/v1/model-files/pull";

const CALL_TIMEOUT_MS = 10_000;

export function digestModel(id: string): NodeOperation<DigestAnswer> {
  return {
    method: "POST",
    path: "/v1/models/digest",
    body: { id },
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = digestAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

export function pullModel(body: PullBody): NodeOperation<PullAnswer> {
  return {
    method: "POST",
    path: PULL_PATH,
    body,
    timeoutMs: CALL_TIMEOUT_MS,
    read: (answer) => {
      const parsed = pullAnswer.safeParse(answer);
      return parsed.success ? { value: parsed.data } : null;
    },
  };
}

/** The files of a model whose first one lies at `path`: `x-00001-of-00003.gguf` has two more beside it. */
export function partsOf(path: string): string[] {
  const split = /^(.*)-00001-of-(\d{5})(\.gguf)$/i.exec(path);
  const [, stem = "", count = "1", ending = ""] = split ?? [];
  if (split === null) return [path];
  return Array.from(
    { length: Number(count) },
    (_, at) => `${stem}-${String(at + 1).padStart(5, "0")}-of-${count}${ending}`,
  );
}

/** `bytes=<from>-` of a request; 0 without one, null for any other form. */
function rangeStart(header: string | null): number | null {
  if (header === null || header === "") return 0;
  const from = /^bytes=(\d{1,15})-$/.exec(header)?.[1];
  return from === undefined ? null : Number(from);
}

/** A file from an offset on. */
export function fileAnswer(path: string, range: string | null): Response {
  const from = rangeStart(range);
  const file = Bun.file(path);
  if (from === null || from > file.size) return new Response(null, { status: 416 });
  const headers = { "content-type": "application/octet-stream", "accept-ranges": "bytes" };
  if (from === 0) return new Response(file, { headers });
  const contentRange = `bytes ${from}-${file.size - 1}/${file.size}`;
  return new Response(file.slice(from), { status: 206, headers: { ...headers, "content-range": contentRange } });
}
