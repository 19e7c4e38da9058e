// Draws one status. Text goes in as text nodes only: names and problems come from machines and people.

const STATE_LOOK = {
  ready: "good",
  starting: "wait",
  backoff: "wait",
  stopping: "wait",
  stopped: "bad",
  crashloop: "bad",
  lost: "bad",
};

const byId = (id) => document.getElementById(id);

export function renderStatus(status, key) {
  draw("chips", chips(status));
  draw("hints", hints(status));
  draw("engines", engines(status));
  draw("models", models(status));
  draw("nodes", nodes(status));
  draw("try", tryIt(status, key));
}

export function clearStatus() {
  for (const id of ["chips", "hints", "engines", "models", "nodes", "try"]) {
    byId(id).replaceChildren();
    drawn.delete(id);
  }
}

/** Redraws only what changed, so that selected text and a "Copied" survive a refresh. */
const drawn = new Map();
function draw(id, nodes) {
  const holder = document.createElement("div");
  holder.append(...nodes);
  if (drawn.get(id) === holder.innerHTML) return;
  drawn.set(id, holder.innerHTML);
  byId(id).replaceChildren(...nodes);
}

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function chips(status) {
  const ready = status.engines.filter((engine) => engine.state === "ready").length;
  const parts = [
    ["", status.role],
    ["version ", status.version],
    ["up ", duration(status.uptime_s)],
    ["engines ready ", `${ready}/${status.engines.length}`],
    ["in flight ", String(status.requests_in_flight)],
  ];
  return parts.map(([label, value]) => el("li", "", label, el("b", "", value)));
}

function hints(status) {
  const found = status.hints.map(({ message, command }) => [message, command, ""]);
  if (status.smoke_test && found.length === 0) {
    const name = status.default_model ?? "The default model";
    found.push([`${name} is the bundled smoke-test model: the inference is real, its answers mean nothing.`, "", ""]);
  }
  if (!status.store.ok) {
    found.push([
      "The database does not answer. Requests go on and their usage is kept in the journal.",
      "flock status",
      "bad",
    ]);
  }
  if (!status.journal.ok) {
    found.push([
      "Usage cannot be written to disk; it is held in memory until it can. Is the disk full?",
      `df -h ${status.data_dir}`,
      "bad",
    ]);
  }
  return found.map(([message, command, look]) =>
    el("p", `notice ${look}`, message, ...(command === "" ? [] : [" ", el("code", "", command)])),
  );
}

function engines(status) {
  if (status.engines.length === 0)
    return [empty("No engine is known yet. If this stays so, this says why:", "flock status")];
  return [el("div", "grid", ...status.engines.map(engineCard))];
}

function engineCard(engine) {
  const look = STATE_LOOK[engine.state] ?? "wait";
  const card = el(
    "div",
    "card",
    el(
      "div",
      "top",
      el("strong", "", engine.id, el("span", "muted", ` on ${engine.node_name}`)),
      el("span", `state ${look}`, engine.state),
    ),
  );
  card.append(
    facts([
      ["Kind", engine.kind],
      ["Endpoint", engine.endpoint],
      ["Process", engine.pid === null ? "none" : String(engine.pid)],
      ["Restarts", String(engine.restarts)],
      ["Started by", engine.managed ? "Flock" : "someone else; Flock leaves it alone"],
      ...(engine.note === null ? [] : [["What it is", engine.note]]),
    ]),
  );
  if (engine.problem !== null) card.append(el("p", "cause", engine.problem));
  return card;
}

function models(status) {
  if (status.models.length === 0) {
    const starting = status.engines.some((engine) => engine.state === "starting");
    if (starting) return [empty("The engine is starting. Its models appear here when it is ready.")];
    return [empty("No model is loaded. This says why:", "flock status")];
  }
  const rows = status.models.map((model) => {
    const name = [model.id];
    if (model.id === status.default_model) name.push(el("span", "tag", "default"));
    return [
      name,
      [model.engine],
      [model.node_name],
      [model.context_tokens.toLocaleString()],
      [`${model.busy} of ${model.slots}`],
    ];
  });
  return [table(["Model", "Engine", "Node", "Context, tokens", "Busy slots"], rows, 3)];
}

function nodes(status) {
  if (status.nodes.length === 0) return [empty("This machine has not reported its hardware yet.")];
  const cards = status.nodes.map((node) => {
    const gpus = node.gpus.map((gpu) => gpu.name + (gpu.memory_bytes === null ? "" : `, ${size(gpu.memory_bytes)}`));
    return el(
      "div",
      "card",
      el("div", "top", el("strong", "", node.name), el("span", "muted small", `${node.id}, ${node.state}`)),
      facts([
        ["System", `${node.os} ${node.arch}`],
        ["Cores", String(node.cores)],
        ["Memory", size(node.memory_bytes)],
        ["GPU", gpus.length === 0 ? "none found" : gpus.join("; ")],
      ]),
    );
  });
  return [el("div", "grid", ...cards)];
}

function tryIt(status, key) {
  const model = status.default_model ?? status.models[0]?.id;
  if (model === undefined) return [empty("A command to paste appears here as soon as a model is loaded.")];
  const shownKey = key === "" ? "" : `${key.slice(0, 11)}…`;
  const button = el("button", "quiet", "Copy");
  button.type = "button";
  const text = el("pre", "", curlLine(model, shownKey));
  button.addEventListener("click", () => copy(curlLine(model, key), button, text));
  const note = key === "" ? [] : [el("p", "muted small", "Copy puts your whole key in; mind where you paste it.")];
  return [el("div", "card curl", text, button), ...note];
}

function curlLine(model, key) {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Say hello." }] });
  const header = key === "" ? "" : `  -H 'authorization: Bearer ${key}' \\\n`;
  // Inside single quotes a shell reads nothing but the quote itself.
  const quoted = body.replaceAll("'", String.raw`'\''`);
  return `curl ${location.origin}/v1/chat/completions \\\n${header}  -H 'content-type: application/json' \\\n  -d '${quoted}'`;
}

async function copy(line, button, text) {
  try {
    await navigator.clipboard.writeText(line);
    button.textContent = "Copied";
  } catch {
    // Browsers hide the clipboard from pages on plain HTTP: select the line, and let the person copy it.
    text.textContent = line;
    getSelection().selectAllChildren(text);
    button.textContent = document.execCommand("copy") ? "Copied" : "Now press Ctrl+C";
  }
  setTimeout(() => (button.textContent = "Copy"), 2500);
}

function empty(message, command) {
  return el("p", "card muted", message, ...(command === undefined ? [] : [" ", el("code", "", command)]));
}

function facts(pairs) {
  return el("dl", "facts", ...pairs.flatMap(([name, value]) => [el("dt", "", name), el("dd", "", value)]));
}

function table(heads, rows, firstNumber) {
  const look = (index) => (index >= firstNumber ? "number" : "");
  const head = el("tr", "", ...heads.map((name, index) => el("th", look(index), name)));
  const body = rows.map((cells) => {
    const row = cells.map((cell, index) => {
      const td = el("td", look(index), ...cell);
      // Narrow screens show each row as a list; the style sheet writes this before the value.
      td.dataset.label = heads[index];
      return td;
    });
    return el("tr", "", ...row);
  });
  return el("div", "card scroll", el("table", "", el("thead", "", head), el("tbody", "", ...body)));
}

function duration(seconds) {
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = Math.max(
    0,
    units.findIndex(([, length]) => seconds >= length),
  );
  const [name, length] = seconds < 1 ? ["s", 1] : units[first];
  const [small, smallLength] = units[first + 1] ?? [];
  const rest = small === undefined || seconds < 60 ? 0 : Math.floor((seconds % length) / smallLength);
  return `${Math.floor(seconds / length)} ${name}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}

function size(bytes) {
  const gib = bytes / 1024 ** 3;
  return gib >= 10 ? `${Math.round(gib)} GiB` : `${gib.toFixed(1)} GiB`;
}
