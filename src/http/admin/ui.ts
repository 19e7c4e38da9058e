import { createHash } from "node:crypto";
import { Hono } from "hono";
// oxlint-disable-next-line import/default -- its text, not its exports
import script from "../../dashboard/app.js" with { type: "text" };
import icon from "../../dashboard/favicon.svg" with { type: "text" };
import page from "../../dashboard/index.html" with { type: "text" };
import style from "../../dashboard/style.css" with { type: "text" };
// oxlint-disable-next-line import/default -- its text, not its exports
import view from "../../dashboard/view.js" with { type: "text" };

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  // Asked again each time, answered 304: an upgrade of Flock shows at once.
  "cache-control": "no-cache",
} as const;

// Bun's types take every .html import for a bundle; with `type: "text"` it is the file's text.
const ASSETS = new Map([
  ["/ui/", asset("text/html; charset=utf-8", page as unknown as string)],
  ["/ui/app.js", asset("text/javascript; charset=utf-8", script)],
  ["/ui/view.js", asset("text/javascript; charset=utf-8", view)],
  ["/ui/style.css", asset("text/css; charset=utf-8", style)],
  ["/ui/favicon.svg", asset("image/svg+xml", icon)],
]);

/** The dashboard's files under `/ui/`. They hold nothing secret: the page asks the admin API with the key it is given. */
export function createUiApp(): Hono {
  const app = new Hono();
  app.get("/ui", (c) => c.redirect("/ui/", 302));
  app.get("/ui/*", (c) => {
    const found = ASSETS.get(c.req.path);
    if (found === undefined) return c.text("There is no such page. The dashboard is at /ui/\n", 404, HEADERS);
    const headers = { ...HEADERS, "content-type": found.type, etag: found.etag };
    if (c.req.header("if-none-match") === found.etag) return c.body(null, 304, headers);
    return c.body(found.text, 200, headers);
  });
  return app;
}

function asset(type: string, text: string) {
  return { type, text, etag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"` };
}
