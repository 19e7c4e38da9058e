import { expect, test } from "bun:test";
import { poll, startFlock } from "../support/start-flock.ts";

test("without keys: said loudly, requests need none, usage is anonymous's, and foreign pages are refused", async () => {
  const flock = await startFlock({ env: { FLOCK_REQUIRE_KEYS: "false" } });
  try {
    const block = await poll(5_000, () => (flock.stdout().includes("Try it:") ? flock.stdout() : null));
    expect(block).toContain("!!! KEYS ARE SWITCHED OFF");
    expect(block).not.toMatch(/sk-orc-|Authorization/);
    const body = JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hi" }] });
    const ask = (headers: Record<string, string>) =>
      flock.fetch("/v1/chat/completions", { method: "POST", body, headers });
    expect((await ask({})).status).toBe(200);
    expect((await ask({ host: "evil.example" })).status).toBe(403);
    expect((await ask({ origin: "https://evil.example" })).status).toBe(403);
    const usage = await flock.cli("usage", "--json");
    const rows = (JSON.parse(usage.stdout) as { records: { user_id: string }[] }).records;
    expect(rows.map((row) => row.user_id)).toEqual(["anonymous"]);
  } finally {
    await flock.stop();
  }
});
