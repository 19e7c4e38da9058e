import { existsSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { createAdminApp } from "../http/admin/admin-app.ts";
import { ADMIN_SECRET, engineView, type TestDeps, testDeps, USER_SECRET } from "../http/admin/test-deps.ts";
import { createUiApp } from "../http/admin/ui.ts";

const CHROMIUM = "/usr/bin/chromium";
const WAIT = { timeout: 15_000 };

describe.skipIf(!existsSync(CHROMIUM))("the page (needs chromium: apt-get install chromium)", () => {
  let deps: TestDeps;
  let browser: Browser;
  let server: Bun.Server<undefined>;
  let page: Page;
  let statusRequests = 0;
  const pageErrors: string[] = [];

  function serve(port: number): Bun.Server<undefined> {
    const ui = createUiApp();
    return Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname.startsWith("/ui")) return ui.fetch(request);
        statusRequests += 1;
        return createAdminApp(deps).fetch(request);
      },
    });
  }

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  }, 60_000);
  beforeEach(async () => {
    deps = testDeps();
    await server?.stop(true);
    server = serve(0);
    await page?.context().close();
    page = await (await browser.newContext()).newPage();
    pageErrors.length = 0;
    page.on("pageerror", (error) => pageErrors.push(error.message));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) pageErrors.push(message.text());
    });
    await page.goto(`${server.url.href}ui`);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop(true);
  });

  async function signIn(key: string): Promise<void> {
    await page.fill("#key", key);
    await page.click("#enter");
  }

  test("a good key shows engines, models, nodes and a curl line; signing out forgets it all", async () => {
    const broken = engineView({ id: "vllm", state: "crashloop", problem: "<b>exit code 1</b>", managed: false });
    deps.report = { ...deps.report, engines: [engineView(), broken] };
    await signIn(ADMIN_SECRET);
    await page.waitForSelector("#engines .card", WAIT);
    expect(await page.textContent("#chips")).toContain("up 1 h 2 min");
    expect(await page.textContent("#engines")).toContain("<b>exit code 1</b>");
    expect(await page.textContent("#models")).toContain("flock-tiny");
    expect(await page.textContent("#nodes")).toContain("RTX 4090, 24 GiB");
    expect(await page.textContent("#try pre")).toContain(`curl ${server.url.origin}/v1/chat/completions`);
    expect(await page.content()).not.toContain(ADMIN_SECRET);

    await page.reload();
    await page.waitForSelector("#engines .card", WAIT);
    await page.click("#sign-out");
    expect(await page.isVisible("#sign-in")).toBe(true);
    expect(await page.textContent("#engines")).toBe("");
    expect(await page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")).toBe(
      '[{},{},""]',
    );
    expect(pageErrors).toEqual([]);
  }, 60_000);

  test("an unknown key and a user's key are refused with the next step, and not kept", async () => {
    for (const [key, words] of [
      ["sk-orc-wrong", "This API key is not known."],
      [USER_SECRET, "admin scope"],
      ["pasted “quotes”", "This is no key"],
    ] as const) {
      await signIn(key);
      // A locator, not waitForFunction: that one evaluates text at each look, which the page's policy refuses.
      await page.locator("#sign-in-problem", { hasText: words }).waitFor(WAIT);
    }
    await signIn("sk-orc-wrong");
    await page.waitForSelector("#sign-in-problem code", WAIT);
    expect(await page.textContent("#sign-in-problem code")).toBe("flock token create --admin");
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
    expect(pageErrors).toEqual([]);
  }, 60_000);

  test("a server that is gone is told with the command that starts it, and the page comes back with it", async () => {
    await signIn(ADMIN_SECRET);
    await page.waitForSelector("#engines .card", WAIT);
    const port = server.port ?? 0;
    await server.stop(true);
    // Coming back to the tab asks at once.
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await page.waitForSelector("#banner .notice", WAIT);
    expect(await page.textContent("#banner")).toContain("flock up");
    expect(await page.textContent("#engines")).toContain("embedded");
    server = serve(port);
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await page.waitForSelector("#banner .notice", { ...WAIT, state: "detached" });
    expect(pageErrors).toEqual([]);
  }, 60_000);

  test("a hidden tab asks nothing; a key revoked meanwhile leads back to the sign-in", async () => {
    await page.clock.install();
    await signIn(ADMIN_SECRET);
    await page.waitForSelector("#engines .card", WAIT);
    const before = statusRequests;
    const refreshed = page.waitForResponse("**/admin/v1/status", WAIT);
    await page.clock.runFor(5000);
    await refreshed;
    expect(statusRequests).toBe(before + 1);

    const hide = (hidden: boolean) =>
      `Object.defineProperty(document, "hidden", {value: ${hidden}, configurable: true});` +
      "document.dispatchEvent(new Event('visibilitychange'))";
    await page.evaluate(hide(true));
    await page.clock.runFor(60_000);
    expect(statusRequests).toBe(before + 1);

    deps.principals.delete(ADMIN_SECRET);
    await page.evaluate(hide(false));
    await page.waitForSelector("#sign-in-problem code", WAIT);
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
    expect(pageErrors).toEqual([]);
  }, 60_000);

  test("with nothing loaded yet, the page says what comes next", async () => {
    deps.report = { ...deps.report, engines: [], models: [], nodes: [], defaultModel: null, smokeTest: false };
    await signIn(ADMIN_SECRET);
    await page.waitForSelector("#engines .card", WAIT);
    expect(await page.textContent("#engines")).toContain("flock status");
    expect(await page.textContent("#models")).toContain("No model is loaded");
    expect(await page.textContent("#try")).toContain("as soon as a model is loaded");
    expect(pageErrors).toEqual([]);
  }, 60_000);
});
