import { codeOf } from "../core/error-code.ts";
import { err, ok, type Result } from "../core/result.ts";
import { CERTIFICATE_NAME } from "../cluster/certificate.ts";
import { AUDIENCE_HEADER, MOST_TRIES } from "../cluster/audience.ts";
import type { LeaderCallFailure, LeaderCalls } from "../cluster/node-endpoint.ts";
import { refusalBody } from "../cluster/node-protocol.ts";
import { type CallSigner, SIGNED_HEADER } from "../cluster/signed-call.ts";
import type { LeaderAudience } from "./leader-audience.ts";

const OTHER = "another certificate";
/** Not necessarily for ever: whoever answers at an address may be anybody. */
const STRANGER =
  "another leader answers than the one that this machine joined; if that was set up anew: flock leave, then flock join with a new token";

const WRONG_TIME = "its certificate is not valid now";

/** Said where the leader's certificate is the right one, and of another time. */
export function wrongClock(now: Date): string {
  return `this machine's clock says ${now.toISOString().slice(0, 16)}Z, when the leader's certificate is not valid`;
}

/**
 * For TCP, TLS and a short answer together, at each address. A connection that is kept may lead nowhere by now (something in
 * between forgot it): that costs one heartbeat, and no node is lost for one.
 */
const ANSWER_MS = 8_000;

export interface LeaderClientParts {
  readonly certificate: string;
  /** `host:port`, in the order in which they are tried. */
  readonly addresses: () => readonly string[];
  readonly signer: () => CallSigner;
  readonly audience: LeaderAudience;
  /** This address answered: it comes first from now on. */
  readonly answered: (address: string) => void;
  /** For tests: instead of `ANSWER_MS`. */
  readonly answerMs?: number;
}

interface SignedInit {
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | null;
  readonly signal: AbortSignal;
}

/** A worker's signed calls to its leader. A call goes to the next address only while nobody has answered it. */
export function leaderClient(parts: LeaderClientParts): LeaderCalls {
  const { audience } = parts;
  /** Made out anew where another process leads by now, or one of another version; neither has begun anything then. */
  const ask = async (address: string, path: string, init: SignedInit): Promise<Response> => {
    const { method, headers, body } = init;
    let fresh = false;
    for (let tries = 1; ; tries++) {
      const to = audience.now;
      headers.set(SIGNED_HEADER, parts.signer().sign({ method, path, body: body ?? "" }, to));
      const answer = await fetch(`https://${address}${path}`, {
        ...init,
        body: body ?? undefined,
        keepalive: !fresh,
        timeout: false,
        redirect: "manual",
        tls: pinnedFetch(parts.certificate),
      } as BunFetchRequestInit);
      if (tries === MOST_TRIES) return answer;
      const other = answer.headers.get(AUDIENCE_HEADER);
      if (other !== null) audience.heard(other);
      else if (to === null || !(await isUnsigned(answer))) return answer;
      // One of protocol 3 takes this for unsigned, also one that has handed over to a later one and still has our connection.
      else if (!(await audience.isOlder(address, init.signal))) {
        if (fresh) return answer;
        fresh = true;
      }
      await answer.body?.cancel();
    }
  };
  const send = async (
    method: string,
    path: string,
    body: Uint8Array<ArrayBuffer> | null,
    headers: Headers,
    signal: AbortSignal,
    answerMs: number | null,
  ): Promise<Result<Response, LeaderCallFailure>> => {
    const tried: string[] = [];
    let message = "the leader cannot be reached";
    for (const address of parts.addresses()) {
      const limit = answerMs === null ? signal : AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
      try {
        const answer = await ask(address, path, { method, headers, body, signal: limit });
        parts.answered(address);
        return ok(answer);
      } catch (error) {
        const reason = reasonOf(error);
        tried.push(`${address} (${reason})`);
        if (reason === OTHER) message = STRANGER;
        if (reason === WRONG_TIME) message = wrongClock(new Date());
        if (signal.aborted) break;
      }
    }
    return err({ kind: "unreachable", message, tried });
  };
  return {
    async call(method, path, body, signal) {
      const bytes = body === undefined || method === "GET" ? null : new TextEncoder().encode(JSON.stringify(body));
      const headers = new Headers(bytes === null ? {} : { "content-type": "application/json" });
      const sent = await send(method, path, bytes, headers, signal, parts.answerMs ?? ANSWER_MS);
      return sent.ok ? await readLeaderAnswer(sent.value) : sent;
    },
    async fetch(request, signal) {
      const { pathname, search } = new URL(request.url);
      const headers = new Headers(request.headers);
      for (const name of ["host", "connection", "authorization", "content-length"]) headers.delete(name);
      const body = request.body === null ? null : await request.bytes();
      return await send(request.method, pathname + search, body, headers, signal, null);
    },
  };
}

async function isUnsigned(answer: Response): Promise<boolean> {
  if (answer.status !== 401) return false;
  const told = refusalBody.safeParse(
    await answer
      .clone()
      .json()
      .catch(() => null),
  );
  return told.data?.error.code === "signature";
}

export async function readLeaderAnswer(answer: Response): Promise<Result<unknown, LeaderCallFailure>> {
  const value: unknown = await answer.json().catch(() => null);
  if (answer.ok) return ok(value);
  const told = refusalBody.safeParse(value);
  const error = told.success
    ? told.data.error
    : { code: "unknown", message: `the leader answered ${answer.status}`, mend: "flock status   # at the leader" };
  return err({ kind: "refused", status: answer.status, ...error });
}

/**
 * What makes Bun's fetch accept this certificate and no other, whatever the address: it is the only root, and only who has its
 * key could sign another. With a check of our own (`checkServerIdentity`) Bun would open a connection for every call, and the
 * leader pay a handshake for every heartbeat.
 */
export function pinnedFetch(certificate: string): NonNullable<BunFetchRequestInit["tls"]> {
  return { ca: certificate, serverName: CERTIFICATE_NAME };
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (/REFUSED|FailedToOpenSocket/i.test(code)) return "nothing listens there";
  if (/NOT_YET_VALID|HAS_EXPIRED/.test(code)) return WRONG_TIME;
  if (/CERT|SIGNATURE|EPROTO/i.test(code)) return OTHER;
  return error instanceof Error && error.name === "TimeoutError" ? "no answer" : code || "no connection";
}
