import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

type Json = Record<string, unknown>;

/** One recorded request of a real client. */
export interface Capture {
  /** `client/file`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json | null;
  readonly kind: "chat" | "messages" | "responses" | "completions" | "embeddings" | "count" | "models" | "upgrade";
}

const FOLDER = join(import.meta.dir, "fixtures");
/** What belongs to the connection that was recorded, or is written anew. */
const NOT_REPLAYED =
  /^(host|connection|content-length|accept-encoding|authorization|x-api-key|upgrade|sec-websocket-)/i;

export function loadCaptures(): Capture[] {
  const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  return files.sort().map((name) => {
    const { meta, headers, body } = JSON.parse(readFileSync(join(FOLDER, name), "utf8")) as {
      meta: { method: string; url: string };
      headers: Record<string, string>;
      body: Json | null;
    };
    const kept = Object.entries(headers).filter(([header]) => !NOT_REPLAYED.test(header));
    const method = meta.method.split(" ")[0] ?? "GET";
    return {
      name: name.replace(/\.json$/, ""),
      method,
      path: meta.url,
      headers: Object.fromEntries(kept),
      body,
      kind: kindOf(meta.method, meta.url),
    };
  });
}

function kindOf(method: string, url: string): Capture["kind"] {
  if (method.includes("websocket")) return "upgrade";
  const path = url.split("?")[0] ?? "";
  if (path.endsWith("/count_tokens")) return "count";
  if (path.endsWith("/messages")) return "messages";
  if (path.endsWith("/chat/completions")) return "chat";
  if (path.endsWith("/responses")) return "responses";
  if (path.endsWith("/completions")) return "completions";
  if (path.endsWith("/embeddings")) return "embeddings";
  return "models";
}

/** The way in which this client sent its key, with another key. */
export async function replay(capture: Capture, url: string, key: string): Promise<Response> {
  const headers: Record<string, string> = { ...capture.headers, authorization: `Bearer ${key}` };
  if (capture.kind === "upgrade") {
    const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-key": "eA==" };
    return fetch(`${url}${capture.path}`, { headers: { ...headers, ...upgrade, "sec-websocket-version": "13" } });
  }
  const body = capture.body === null ? null : JSON.stringify(capture.body);
  return fetch(`${url}${capture.path}`, { method: capture.method, headers, body });
}

export interface OfferedTool {
  readonly name: string;
  /** Responses: the tool that holds this one. */
  readonly namespace?: string;
}

/** The tools that a model can call, as the client names them. */
export function offeredTools(body: Json | null): OfferedTool[] {
  const items = Array.isArray(body?.input) ? (body.input as Json[]) : [];
  const added = items.flatMap(({ type, tools }) => (type === "additional_tools" ? (tools as Json[]) : []));
  const tools = [...((body?.tools ?? []) as Json[]), ...added];
  return tools.flatMap((tool): OfferedTool[] => {
    if (tool.type === "namespace") {
      const inner = (tool.tools ?? []) as { name: string }[];
      return inner.map(({ name }) => ({ name, namespace: String(tool.name) }));
    }
    const name = (tool.function as { name?: string } | undefined)?.name ?? tool.name;
    return typeof name === "string" && name !== "DeferredToolPlaceholder" ? [{ name }] : [];
  });
}
