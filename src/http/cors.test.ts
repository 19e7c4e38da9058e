import { expect, test } from "bun:test";
import { cors } from "./cors.ts";

const asks = (origin: string, more: Record<string, string> = {}): Request =>
  new Request("http://flock/v1/messages", {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", ...more },
  });

test("with keys any page may ask, and may send what it named", () => {
  const headers = { "access-control-request-headers": "x-api-key", "access-control-request-private-network": "true" };
  const answer = cors(false).preflight(asks("https://chat.example", headers), "/v1/messages");
  expect(answer?.status).toBe(204);
  expect(answer?.headers.get("access-control-allow-origin")).toBe("*");
  expect(answer?.headers.get("access-control-allow-headers")).toBe("x-api-key");
  expect(answer?.headers.get("access-control-allow-private-network")).toBe("true");
  expect(answer?.headers.has("access-control-allow-credentials")).toBe(false);
});

test("without keys only this machine's own pages may", () => {
  const keyless = cors(true);
  for (const origin of ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080"]) {
    expect(keyless.preflight(asks(origin), "/v1/messages")?.headers.get("access-control-allow-origin")).toBe(origin);
  }
  for (const origin of ["https://chat.example", "http://localhost.evil.example", "null"]) {
    expect(keyless.preflight(asks(origin), "/v1/messages")).toBeNull();
    const answer = keyless.admit(asks(origin), new Response("x"));
    expect(answer.headers.has("access-control-allow-origin")).toBe(false);
  }
});

test("the admin API, the dashboard and the metrics answer to no other origin", () => {
  for (const path of ["/admin/v1/tokens", "/ui/", "/ui", "/metrics", "/openapi.json"]) {
    expect(cors(false).preflight(asks("https://chat.example"), path)).toBeNull();
    const request = new Request(`http://flock${path}`, { headers: { origin: "https://chat.example" } });
    expect(cors(false).admit(request, new Response("x")).headers.has("access-control-allow-origin")).toBe(false);
  }
});

test("what is no question of a browser's is none", () => {
  const plain = new Request("http://flock/v1/messages", { method: "OPTIONS" });
  expect(cors(false).preflight(plain, "/v1/messages")).toBeNull();
  const post = new Request("http://flock/v1/messages", { method: "POST", headers: { origin: "https://a" } });
  expect(cors(false).preflight(post, "/v1/messages")).toBeNull();
  expect(cors(false).admit(post, new Response("x")).headers.get("access-control-expose-headers")).toBe("*");
});
