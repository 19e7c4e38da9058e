import { gzipSync } from "node:zlib";
import type { Endpoint } from "./endpoints.ts";

/** The body limit that the cases are made for. */
export const LIMIT = 200_000;

export type Sent = string | Uint8Array<ArrayBuffer>;

export interface Case {
  readonly what: string;
  readonly status: number;
  readonly send: (endpoint: Endpoint) => Sent;
  readonly headers?: Readonly<Record<string, string>>;
}

export const right = ({ body }: Endpoint): string => JSON.stringify(body);
/** The right body with more text behind its first brace. */
const with_ = (more: string) => (endpoint: Endpoint) => `{${more},${right(endpoint).slice(1)}`;
const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

export const CASES: readonly Case[] = [
  { what: "an empty body", status: 400, send: () => "" },
  { what: "white space", status: 400, send: () => " \n" },
  { what: "words", status: 400, send: () => "hello" },
  { what: "a form", status: 400, send: () => "model=scripted&prompt=hi" },
  { what: "half a body", status: 400, send: (endpoint) => right(endpoint).slice(0, -3) },
  { what: "a body and a bit", status: 400, send: (endpoint) => `${right(endpoint)}}` },
  { what: "a trailing comma", status: 400, send: (endpoint) => `${right(endpoint).slice(0, -1)},}` },
  { what: "a comment", status: 400, send: (endpoint) => `/* hi */ ${right(endpoint)}` },
  { what: "not a number", status: 400, send: with_('"temperature":NaN') },
  { what: "a list", status: 400, send: (endpoint) => `[${right(endpoint)}]` },
  { what: "null", status: 400, send: () => "null" },
  { what: "a number", status: 400, send: () => "42" },
  { what: "a byte order mark", status: 400, send: (endpoint) => `\uFEFF${right(endpoint)}` },
  { what: "a NUL", status: 400, send: with_('"x":"a\u0000b"') },
  { what: "a key twice", status: 400, send: with_('"model":"other"') },
  { what: "a key twice, once escaped", status: 400, send: with_('"m\\u006fdel":"other"') },
  { what: "a key twice deep inside", status: 400, send: with_('"x":{"y":[{"z":1,"z":2}]}') },
  { what: "nesting without end", status: 400, send: with_(`"x":${nested(5000)}`) },
  { what: "lists without end", status: 400, send: with_(`"x":${"[".repeat(5000)}${"]".repeat(5000)}`) },
  { what: "half a character", status: 400, send: with_('"x":"\\ud83d"') },
  { what: "bytes that are no UTF-8", status: 400, send: (e) => Buffer.from(with_('"x":"\u00ff"')(e), "latin1") },
  { what: "half a UTF-8 character", status: 400, send: (e) => Buffer.concat([Buffer.from(right(e)), Buffer.of(0xe2)]) },
  { what: "bytes without sense", status: 400, send: () => new Uint8Array(512).map((_, at) => (at * 37) % 256) },
  { what: "no model", status: 400, send: ({ body }) => JSON.stringify({ ...body, model: undefined }) },
  { what: "a model that is null", status: 400, send: ({ body }) => JSON.stringify({ ...body, model: null }) },
  { what: "a model that is a number", status: 400, send: ({ body }) => JSON.stringify({ ...body, model: 5 }) },
  { what: "a model without a name", status: 400, send: ({ body }) => JSON.stringify({ ...body, model: "" }) },
  { what: "an unknown model", status: 404, send: ({ body }) => JSON.stringify({ ...body, model: "nope" }) },
  { what: "a model of 100 kB", status: 404, send: ({ body }) => JSON.stringify({ ...body, model: "x".repeat(1e5) }) },
  { what: "a model that is a path", status: 404, send: ({ body }) => JSON.stringify({ ...body, model: "../../etc" }) },
  {
    what: "a model with a prototype's name",
    status: 404,
    send: ({ body }) => JSON.stringify({ ...body, model: "__proto__" }),
  },
  { what: "a body over the limit", status: 413, send: with_(`"x":"${"y".repeat(LIMIT)}"`) },
  {
    what: "a packed body over the limit",
    status: 413,
    send: (e) => new Uint8Array(gzipSync(with_(`"x":"${"y".repeat(LIMIT * 20)}"`)(e))),
    headers: { "content-encoding": "gzip" },
  },
  { what: "no gzip", status: 400, send: right, headers: { "content-encoding": "gzip" } },
  { what: "an unknown encoding", status: 400, send: right, headers: { "content-encoding": "lzma" } },
  { what: "a stranger's key", status: 401, send: right, headers: { "x-api-key": "stranger" } },
  { what: "no key", status: 401, send: right, headers: { "x-api-key": "" } },
];

/** What is wrong at this endpoint only. */
export function wrongAt({ wrong }: Endpoint): Case[] {
  return wrong.map((change) => ({
    what: JSON.stringify(change) === "{}" ? `without ${Object.keys(change).join()}` : JSON.stringify(change),
    status: 400,
    send: ({ body }) => JSON.stringify({ ...body, ...change }),
  }));
}
