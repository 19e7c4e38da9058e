import type { CancelSignal } from "../core/cancellation.ts";
import type { BufferedRequest } from "../core/buffered-request.ts";
import type { Failure } from "../core/failure.ts";
import { mayUseModel } from "../core/model-rights.ts";
import type { Principal } from "../core/principal.ts";
import { err, ok, type Result } from "../core/result.ts";
import { addRateLimitHeaders } from "../dialect/rate-limit-headers.ts";
import { scanBody, type ScannedBody } from "../wire/scan-body.ts";
import type { Account } from "./account.ts";
import { admit, isUnlimited } from "./admit.ts";
import { authenticate } from "./authenticate.ts";
import { refuseEgress } from "./egress.ts";
import type { AdmissionRequest, GatewayDeps, Grant, Need, Resolved } from "./ports.ts";
import { BodyWants } from "./body-wants.ts";
import { readBody, stalled } from "./read-body.ts";

/** A request as it came, or one whose steps 1 and 2 are done already. */
export type Incoming = Request | EnteredRequest | BufferedRequest;

/** For APIs whose body decides what they are: it is read before anybody serves it. */
export class EnteredRequest {
  readonly principal: Principal | null;
  readonly body: Result<ScannedBody, Failure>;
  readonly #request: Request | BufferedRequest;

  constructor(request: Request | BufferedRequest, principal: Principal | null, body: Result<ScannedBody, Failure>) {
    this.#request = request;
    this.principal = principal;
    this.body = body;
  }

  get signal(): CancelSignal {
    return this.#request.signal;
  }

  get headers(): Pick<Headers, "get"> {
    return this.#request.headers;
  }
}

/** Steps 1 and 2: who asks, and the body read once. */
export async function enterEarly(
  deps: Pick<GatewayDeps, "keys" | "limits">,
  request: Request | BufferedRequest,
): Promise<EnteredRequest> {
  if ("takeBody" in request) return enterHeld(deps, request);
  const principal = authenticate(deps.keys, request.headers);
  if (!principal.ok) return new EnteredRequest(request, null, principal);
  const bytes = await readBody(request, deps.limits.maxBodyBytes, deps.limits.uploadStallMs);
  return new EnteredRequest(request, principal.value, bytes.ok ? scanBody(bytes.value) : bytes);
}

function enterHeld(deps: Pick<GatewayDeps, "keys" | "limits">, request: BufferedRequest): EnteredRequest {
  const principal = authenticate(deps.keys, request.headers, request.sender);
  if (!principal.ok) return new EnteredRequest(request, null, principal);
  const bytes = buffered(deps, request);
  return new EnteredRequest(request, principal.value, bytes.ok ? scanBody(bytes.value) : bytes);
}

function buffered({ limits }: Pick<GatewayDeps, "limits">, request: BufferedRequest): Result<Uint8Array, Failure> {
  const body = request.takeBody();
  if (body === "stalled") return err(stalled(limits.uploadStallMs));
  const { maxBodyBytes } = limits;
  return body.length > maxBodyBytes ? err({ kind: "too_large", limitBytes: maxBodyBytes }) : ok(body);
}

/** The same into the books of the request. A promise only where the body is still to come. */
export function enter(
  deps: GatewayDeps,
  account: Account,
  request: Incoming,
): Result<ScannedBody, Failure> | Promise<Result<ScannedBody, Failure>> {
  if (request instanceof EnteredRequest) return note(account, request);
  if ("takeBody" in request) return note(account, enterHeld(deps, request));
  return enterEarly(deps, request).then((entered) => note(account, entered));
}

function note(account: Account, { principal, body, headers }: EnteredRequest): Result<ScannedBody, Failure> {
  account.principal = principal;
  if (!body.ok) return body;
  account.body = body.value;
  account.headers = headers;
  return body;
}

/** Usage rows keep what was asked for; no model's name is longer. */
const MAX_NAME_CHARACTERS = 200;

/** Step 3: the model behind the name, if this key may use it. */
export function resolve(deps: GatewayDeps, account: Account, name: string, need: Need): Result<Resolved, Failure> {
  account.requestedModel = name.slice(0, MAX_NAME_CHARACTERS);
  const resolved = deps.models.resolve(name, need, account.principal?.keyId ?? "", new BodyWants(account.body));
  if (!resolved.ok) return resolved;
  account.resolved = resolved.value;
  account.need = need;
  const outside = refuseEgress(account.principal, resolved.value);
  if (outside) return err(outside);
  const allowed = account.principal?.models ?? [];
  if (mayUseModel(allowed, name, resolved.value.model)) return resolved;
  return err({
    kind: "forbidden",
    what: `model ${resolved.value.model}`,
    mend: `This key may use: ${allowed.join(", ")}; an admin changes that with \`flock token edit <key> --models …\`.`,
  });
}

/**
 * Step 4: every policy grants, or the first refusal is the answer. The account gives the grants back at its end. A
 * promise only for keys with limits that several gateways share.
 */
export function askPolicies(
  deps: GatewayDeps,
  account: Account,
  ask: Omit<AdmissionRequest, "principal">,
): Failure | null | Promise<Failure | null> {
  const { principal } = account;
  if (principal === null) throw new Error("policies are asked before anybody was authenticated");
  if (!isUnlimited(principal.limits)) account.standings = deps.standings;
  const { model, promptTokensEstimate, maxOutputTokens, allAtOnce = false } = ask;
  const granted = admit(deps.policies, { principal, model, promptTokensEstimate, maxOutputTokens, allAtOnce });
  return granted instanceof Promise ? granted.then((late) => take(account, late)) : take(account, granted);
}

function take(account: Account, granted: Result<Grant[], Failure>): Failure | null {
  if (!granted.ok) return granted.error;
  account.grants = granted.value;
  return null;
}

/** Who answered and why; and the request's id under the names that the clients of each surface read. */
export function answerHeaders(account: Account): Record<string, string> {
  return { ...ownHeaders(account), ...routeHeaders(account) };
}

/** What no other answer has: the request's id, and how the key stands with its limits. */
export function ownHeaders(account: Account): Record<string, string> {
  const headers: Record<string, string> = { "x-request-id": account.requestId };
  if (account.protocol === "anthropic") headers["request-id"] = account.requestId;
  if (account.standings && account.principal) {
    const surface = account.protocol === "anthropic" ? "anthropic" : "openai";
    addRateLimitHeaders(headers, surface, account.standings.of(account.principal), Date.now());
  }
  return headers;
}

export function routeHeaders(account: Account): Record<string, string> {
  const headers: Record<string, string> = {};
  // Names of a client's own fields stand in these, and whatever they are made of must not break the answer.
  if (account.adjusted !== "") headers["x-flock-adjusted"] = headerText(account.adjusted);
  if (account.resolved) headers["x-flock-route"] = headerText(account.routeReason);
  if (account.choice) {
    headers["x-flock-model"] = account.choice.replica.model;
    headers["x-flock-replica"] = account.choice.replica.id;
  }
  return headers;
}

const MAX_HEADER_CHARACTERS = 1000;
const UNPRINTABLE = /[^\x20-\x7e]/;

function headerText(text: string): string {
  const short = text.length > MAX_HEADER_CHARACTERS ? text.slice(0, MAX_HEADER_CHARACTERS) : text;
  return UNPRINTABLE.test(short) ? short.replaceAll(/[^\x20-\x7e]/g, "?") : short;
}
