// Sign-in and the refresh loop. The key lives in this tab only: sessionStorage, never a cookie or localStorage.
import { clearStatus, renderStatus } from "./view.js";

const REFRESH_MS = 5000;
const TIMEOUT_MS = 8000;
const STORED_KEY = "flock.key";

const byId = (id) => document.getElementById(id);
const form = byId("sign-in");
const keyField = byId("key");
const enterButton = byId("enter");
const signInProblem = byId("sign-in-problem");
const signOutButton = byId("sign-out");
const banner = byId("banner");
const statusArea = byId("status");
const fresh = byId("fresh");

let timer;
/** Ends the request under way when its answer is no longer wanted. */
let current = new AbortController();

/** Gives `{ status }` or `{ problem }`; `refused` when it is the key's fault. Rejects only when `signal` aborts. */
async function fetchStatus(key, signal) {
  let response;
  let body;
  try {
    response = await fetch("/admin/v1/status", {
      headers: key === "" ? {} : { authorization: `Bearer ${key}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    body = await response.json();
  } catch {
    signal.throwIfAborted();
    if (response === undefined) return { problem: "Flock does not answer.", mend: "flock up", lead: "To start it:" };
    return { problem: `Flock's answer could not be read (status ${response.status}).`, mend: "flock status" };
  }
  if (response.ok) return { status: body };
  const error = body?.error ?? {};
  const refused = response.status === 401 || response.status === 403;
  return { refused, problem: error.message ?? `Flock answered ${response.status}.`, mend: error.mend };
}

async function signIn(key) {
  signInProblem.textContent = "";
  // A header takes visible ASCII only; fetch would throw at anything else, as if the server were gone.
  if (!/^[\x21-\x7e]*$/.test(key)) {
    showSignIn({ problem: "This is no key: keys are letters, digits, - and _ without spaces." });
    return;
  }
  enterButton.disabled = true;
  enterButton.textContent = "Signing in…";
  const answer = await ask(key);
  enterButton.disabled = false;
  enterButton.textContent = "Sign in";
  if (answer === undefined) return;
  if (answer.status === undefined) {
    showSignIn(answer);
    return;
  }
  sessionStorage.setItem(STORED_KEY, key);
  keyField.value = "";
  schedule();
  showStatus(answer.status, key);
}

async function refresh() {
  const key = sessionStorage.getItem(STORED_KEY);
  if (key === null) return;
  const answer = await ask(key);
  if (answer === undefined) return;
  if (answer.refused) {
    leave(answer);
    return;
  }
  schedule();
  if (answer.status === undefined) {
    statusArea.classList.add("stale");
    statusArea.hidden = fresh.textContent === "";
    signOutButton.hidden = false;
    const again = { ...answer, problem: `${answer.problem} Asking again every ${REFRESH_MS / 1000} s.` };
    banner.replaceChildren(notice(again));
  } else {
    showStatus(answer.status, key);
  }
}

/** One question at a time: a newer one ends the older. Undefined: this one was ended. */
async function ask(key) {
  current.abort();
  clearTimeout(timer);
  const mine = new AbortController();
  current = mine;
  try {
    const answer = await fetchStatus(key, mine.signal);
    return mine.signal.aborted ? undefined : answer;
  } catch {
    return undefined;
  }
}

function schedule() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

function showStatus(status, key) {
  form.hidden = true;
  banner.replaceChildren();
  statusArea.hidden = false;
  statusArea.classList.remove("stale");
  signOutButton.hidden = false;
  renderStatus(status, key);
  fresh.textContent = `As of ${new Date().toLocaleTimeString()}. Refreshed every ${REFRESH_MS / 1000} s while this tab is open.`;
}

function showSignIn(answer) {
  statusArea.hidden = true;
  signOutButton.hidden = true;
  banner.replaceChildren();
  form.hidden = false;
  if (answer !== undefined) signInProblem.replaceChildren(...words(answer));
  keyField.focus();
}

/** Forgets the key and everything that it showed. */
function leave(answer) {
  current.abort();
  clearTimeout(timer);
  sessionStorage.removeItem(STORED_KEY);
  clearStatus();
  fresh.textContent = "";
  showSignIn(answer);
}

function notice(answer) {
  const p = document.createElement("p");
  p.className = "notice bad";
  p.append(...words(answer));
  return p;
}

/** What is wrong, and the command that mends it. */
function words({ problem, mend, lead = "Next:" }) {
  if (mend === undefined) return [problem];
  const code = document.createElement("code");
  code.textContent = mend;
  return [`${problem} ${lead} `, code];
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!enterButton.disabled) void signIn(keyField.value.trim());
});
signOutButton.addEventListener("click", () => leave());
document.addEventListener("visibilitychange", () => {
  // Nobody looks: ask nothing. Back again: show what is true now, not in five seconds.
  if (document.hidden) clearTimeout(timer);
  else if (form.hidden) void refresh();
});

if (sessionStorage.getItem(STORED_KEY) === null) showSignIn();
else void refresh();
