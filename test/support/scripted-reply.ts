import type { ServerResponse } from "node:http";

export function raw(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(body);
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  raw(response, status, JSON.stringify(body));
}

export function failure(code: number, type: string, message: string) {
  return { error: { code, message, type } };
}

export function embeddings(model: string, body: Record<string, unknown>) {
  const inputs = Array.isArray(body.input) ? body.input.length : 1;
  const plain = [0.6, 0.8];
  const packed = Buffer.from(Float32Array.from(plain).buffer).toString("base64");
  const embedding = body.encoding_format === "base64" ? packed : plain;
  const data = Array.from({ length: inputs }, (_, index) => ({ index, object: "embedding", embedding }));
  return { model, object: "list", usage: { prompt_tokens: 3 * inputs, total_tokens: 3 * inputs }, data };
}

/** Documents score by how many of the query's words they have. */
export function ranking(model: string, body: Record<string, unknown>) {
  const words = String(body.query).split(" ");
  const results = (body.documents as string[]).map((text, index) => ({
    index,
    relevance_score: words.filter((word) => text.includes(word)).length,
  }));
  return { model, object: "list", usage: { prompt_tokens: 7, total_tokens: 7 }, results };
}
