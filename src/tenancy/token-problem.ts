/** Why a change of keys was refused. The texts name the command that mends it. */
export type TokenProblem =
  /** `what` names the thing, e.g. `key "ci"`. */
  | { readonly kind: "not_found"; readonly what: string; readonly mend: string }
  | { readonly kind: "conflict"; readonly message: string; readonly mend: string }
  | { readonly kind: "invalid_request"; readonly field: string | null; readonly message: string };

/** Makes an admin key in the data directory itself, for whoever lost all of them. */
export const RESET_ADMIN_COMMAND = "flock token create --admin --offline";

export function notFound(idOrName: string): TokenProblem {
  return { kind: "not_found", what: `key ${shown(idOrName)}`, mend: "flock token ls" };
}

export function nameTaken(name: string): TokenProblem {
  return {
    kind: "conflict",
    message: `a live key is called ${shown(name)} already: take another name, or revoke that one`,
    mend: `flock token revoke ${name}`,
  };
}

export function invalid(field: string | null, message: string): TokenProblem {
  return { kind: "invalid_request", field, message: field === null ? message : `${field}: ${message}` };
}

export function revokedAlready(name: string): TokenProblem {
  return {
    kind: "conflict",
    message: `key ${shown(name)} was revoked: it cannot be changed any more`,
    mend: "flock token create",
  };
}

export function lastAdmin(name: string): TokenProblem {
  return {
    kind: "conflict",
    message: `${shown(name)} is the last admin key that works: make another one before you revoke it`,
    mend: "flock token create --admin",
  };
}

/** Someone may paste a secret where a name belongs: do not repeat it. */
function shown(text: string): string {
  return JSON.stringify(text.startsWith("sk-") ? `${text.slice(0, 7)}…` : text);
}
