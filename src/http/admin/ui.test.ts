import { expect, test } from "bun:test";
import { createUiApp } from "./ui.ts";

const ASSETS = {
  "/ui/": "text/html; charset=utf-8",
  "/ui/app.js": "text/javascript; charset=utf-8",
  "/ui/view.js": "text/javascript; charset=utf-8",
  "/ui/style.css": "text/css; charset=utf-8",
  "/ui/favicon.svg": "image/svg+xml",
};

test("/ui leads to /ui/", async () => {
  const response = await createUiApp().request("/ui");
  expect([response.status, response.headers.get("location")]).toEqual([302, "/ui/"]);
});

test("every file has its type, the security headers and an etag that is answered 304", async () => {
  const app = createUiApp();
  for (const [path, type] of Object.entries(ASSETS)) {
    const response = await app.request(path);
    expect([path, response.status, response.headers.get("content-type")]).toEqual([path, 200, type]);
    expect(response.headers.get("content-security-policy")).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("referrer-policy")).toBe("no-referrer");
    const etag = response.headers.get("etag") ?? "";
    const again = await app.request(path, { headers: { "if-none-match": etag } });
    expect([again.status, await again.text()]).toEqual([304, ""]);
  }
});

test("the page loads only what is served here, and has nothing inline", async () => {
  const html = await (await createUiApp().request("/ui/")).text();
  const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => `/ui/${match[1] ?? ""}`);
  expect(loaded.length).toBeGreaterThan(3);
  for (const path of loaded) expect(Object.keys(ASSETS)).toContain(path.replace("/ui/./", "/ui/"));
  expect(html).not.toMatch(/<style|style="|<script(?![^>]*src=)|\son\w+=/);
});

test("an unknown file is a 404 with the security headers", async () => {
  const response = await createUiApp().request("/ui/../secret");
  const missing = await createUiApp().request("/ui/nothing.js");
  expect([response.status, missing.status]).toEqual([404, 404]);
  expect(missing.headers.get("content-security-policy")).toContain("default-src 'none'");
});
