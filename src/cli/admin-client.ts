import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ClientResponse } from "hono/client";
import { codeOf } from "../core/error-code.ts";
import { err, ok, type Result } from "../core/result.ts";
import { type CliFailure, EXIT, NoWay } from "./cli-failure.ts";
import type { LeaderWay } from "./leader-control.ts";
import { notRunning, type ServerAddress } from "./server-address.ts";

const DEADLINE_MS = 10_000;
/** Answers are lists of at most 1,000 rows; anything much larger is not Flock's. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** The body of a call's success. */
type Success<R> =
  R extends ClientResponse<infer Body, infer Status, "json"> ? (Status extends 200 | 201 | 202 ? Body : never) : never;

/** A running server as the commands see it: where it is, and how to ask it. */
export interface AdminServer {
  readonly url: string;
  /** The node that this machine is, where it is a worker of that server and asks as such; null: it has a key. */
  readonly worker: string | null;
  /** For Hono's typed client: adds the key and the deadline. Only `read` makes failures of what it throws. */
  readonly fetch: typeof fetch;
  /** Runs one call of a typed client; every failure has its exit code and the command that mends it. */
  read<R extends ClientResponse<unknown>>(call: () => Promise<R>): Promise<Result<Success<R>, CliFailure>>;
  /** Opens an event stream: the deadline covers the answer's head only. */
  stream(path: string, headers: Readonly<Record<string, string>>): Promise<Result<Response, CliFailure>>;
}

export interface AdminClientOptions {
  readonly address: ServerAddress;
  readonly token: { readonly value: string; readonly from: string } | null;
  readonly signal: AbortSignal;
  readonly deadlineMs?: number;
  /** Another way to the server than its address: signed by a worker, who needs no key. */
  readonly way?: Pick<LeaderWay, "node" | "send">;
}

/** The key to use: `--token`, then FLOCK_TOKEN, then the admin key that the first start left in the data directory. */
export function findToken(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  dataDir: string,
): { readonly value: string; readonly from: string } | null {
  if (flag !== undefined) return { value: flag, from: "--token" };
  const variable = env["FLOCK_TOKEN"];
  if (variable !== undefined && variable !== "") return { value: variable, from: "FLOCK_TOKEN" };
  const path = join(dataDir, "admin.key");
  try {
    return { value: readFileSync(path, "utf8").trim(), from: path };
  } catch {
    return null;
  }
}

export async function connect(options: AdminClientOptions): Promise<Result<AdminServer, CliFailure>> {
  const { address, token, signal, deadlineMs = DEADLINE_MS } = options;
  const { url } = address;
  // A worker's calls are signed: what they are refused for has nothing to do with a key.
  const keyFrom = options.way === undefined ? (token?.from ?? null) : undefined;

  const ask = async (input: string | URL | Request, init: RequestInit, withKey: boolean): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (withKey && token !== null) headers.set("authorization", `Bearer ${token.value}`);
    if (options.way !== undefined) {
      const { signal: over, ...rest } = init;
      return options.way.send(new Request(input, { ...rest, headers }), over ?? signal);
    }
    // A redirect would carry the key to wherever it points.
    return fetch(input, { ...init, headers, redirect: "manual" });
  };
  const withDeadline: typeof fetch = Object.assign(
    (input: string | URL | Request, init: RequestInit = {}) =>
      ask(input, { ...init, signal: AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]) }, true),
    { preconnect: fetch.preconnect },
  );
  const attempt = async <T>(call: () => Promise<T>): Promise<Result<T, CliFailure>> => {
    try {
      return ok(await call());
    } catch (error) {
      return err(signal.aborted ? { exitCode: EXIT.failure, message: "" } : unreachable(error, url, deadlineMs));
    }
  };

  if (!address.certain) {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
    const probe = await attempt(async () => {
      const response = await ask(`${url}/admin/v1/status`, { signal: bounded }, false);
      return looksLikeFlock(await response.json().catch(() => null));
    });
    if (!probe.ok) return probe;
    if (!probe.value) return err(somethingElse(url));
  }

  return ok({
    url,
    worker: options.way?.node ?? null,
    fetch: withDeadline,
    async read<R extends ClientResponse<unknown>>(call: () => Promise<R>): Promise<Result<Success<R>, CliFailure>> {
      const text = await attempt(async () => {
        const response = await call();
        return { status: response.status, body: await boundedText(response.body) };
      });
      if (!text.ok) return text;
      const { status, body } = text.value;
      const json = parseJson(body);
      if (status >= 200 && status < 300 && json !== null) return ok(json as Success<R>);
      return err(toFailure(status, json, url, keyFrom));
    },
    async stream(path, headers) {
      const head = new AbortController();
      const timer = setTimeout(() => head.abort(new DOMException("deadline", "TimeoutError")), deadlineMs);
      const opened = await attempt(() =>
        ask(url + path, { headers, signal: AbortSignal.any([signal, head.signal]) }, true),
      );
      clearTimeout(timer);
      if (!opened.ok || opened.value.ok) return opened;
      const body = await attempt(() => boundedText(opened.value.body));
      return err(toFailure(opened.value.status, body.ok ? parseJson(body.value) : null, url, keyFrom));
    },
  });
}

const USE_ADMIN_KEY = "Use an admin key: FLOCK_TOKEN=sk-orc-…";

/** What an answer that is no success means, by status and by the admin API's own words. */
function toFailure(status: number, json: unknown, url: string, tokenFrom: string | null | undefined): CliFailure {
  const error = errorOf(json);
  if (error === null) return somethingElse(url);
  const { message, code, mend } = error;
  const failure = (exitCode: CliFailure["exitCode"], fallback?: string): CliFailure => {
    const advice = mend ?? fallback;
    return { exitCode, message: message.replace(/\.$/, ""), code, ...(advice === undefined ? {} : { mend: advice }) };
  };
  switch (status) {
    case 401: {
      if (tokenFrom === undefined) return failure(EXIT.notAuthorised, "flock join");
      const why = tokenFrom === null ? "No API key was found" : `The key from ${tokenFrom} was refused: ${message}`;
      const advice =
        "Give an admin key: FLOCK_TOKEN=sk-orc-… (the first start left one in admin.key of its data directory)";
      return { exitCode: EXIT.notAuthorised, message: why.replace(/\.$/, ""), code, mend: advice };
    }
    case 403:
      // Who holds a key without the right cannot follow the command that makes one with it.
      if (mend !== "flock token create --admin") return failure(EXIT.notAuthorised, USE_ADMIN_KEY);
      return { ...failure(EXIT.notAuthorised), mend: `${USE_ADMIN_KEY}; an admin makes one with: ${mend}` };
    case 404:
      return failure(EXIT.notFound);
    case 501:
      return {
        exitCode: EXIT.failure,
        message: `The server cannot do this yet: ${error.capability ?? message}`,
        code,
        mend: "flock help",
      };
    default:
      return failure(EXIT.failure, status >= 500 ? "flock status" : undefined);
  }
}

function unreachable(error: unknown, url: string, deadlineMs: number): CliFailure {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    const message = `Flock did not answer at ${url} within ${deadlineMs / 1000} s`;
    return { exitCode: EXIT.failure, message, code: "timeout", mend: "flock status" };
  }
  if (error instanceof NoWay) return error.failure;
  const code = codeOf(error);
  if (error instanceof TooLarge) return somethingElse(url);
  if (/cert|TLS|SSL|SELF_SIGNED|VERIFY/i.test(code)) {
    const mend = "Trust its certificate: NODE_EXTRA_CA_CERTS=<ca.pem>";
    return { exitCode: EXIT.failure, message: `The certificate of ${url} is not trusted (${code})`, code: "tls", mend };
  }
  return notRunning(url);
}

function somethingElse(url: string): CliFailure {
  return {
    exitCode: EXIT.notRunning,
    message: `Flock is not running: something else answers at ${url}`,
    code: "not_running",
    mend: "flock up --listen :8081",
  };
}

function looksLikeFlock(json: unknown): boolean {
  return errorOf(json) !== null || (typeof json === "object" && json !== null && "role" in json && "version" in json);
}

function errorOf(json: unknown): { message: string; code: string; mend?: string; capability?: string } | null {
  const error = typeof json === "object" && json !== null && "error" in json ? json.error : null;
  if (typeof error !== "object" || error === null) return null;
  const { message, code, mend, capability } = error as Record<string, unknown>;
  if (typeof message !== "string" || typeof code !== "string") return null;
  return {
    message,
    code,
    ...(typeof mend === "string" ? { mend } : {}),
    ...(typeof capability === "string" ? { capability } : {}),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

class TooLarge extends Error {}

async function boundedText(body: ReadableStream<Uint8Array> | null): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) throw new TooLarge();
  }
  return text + decoder.decode();
}
