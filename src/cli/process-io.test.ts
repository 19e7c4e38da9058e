import { expect, test } from "bun:test";
import { join } from "node:path";

/** Runs `code` in a process of its own, with `io` made of it. */
function script(code: string): string[] {
  const source = `import { processIo } from ${JSON.stringify(join(import.meta.dir, "process-io.ts"))};
    const io = processIo(process.env); ${code}`;
  return [process.execPath, "-e", source];
}

test("a reader that leaves early ends the process quietly", async () => {
  const code = `for (let i = 0; i < 5000; i++) io.stdout.write("x".repeat(1000) + "\\n"); io.stderr.write("wrote all");`;
  const writer = Bun.spawn(script(code), { stdout: "pipe", stderr: "pipe" });
  const reader = writer.stdout.getReader();
  await reader.read();
  await reader.cancel();
  expect(await writer.exited).toBe(0);
  expect(await new Response(writer.stderr).text()).toBe("");
});

test("a slow reader gets every byte", async () => {
  const code = `for (let i = 0; i < 500; i++) io.stdout.write("x".repeat(1000)); process.exit(0);`;
  const writer = Bun.spawn(["sh", "-c", '"$@" | (sleep 0.2; wc -c)', "sh", ...script(code)], { stdout: "pipe" });
  expect((await new Response(writer.stdout).text()).trim()).toBe("500000");
});

test("a proxy in the environment never sees what goes to this machine", async () => {
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("direct") });
  using proxy = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("proxied") });
  const code = `io.stdout.write(await (await fetch("http://127.0.0.1:${server.port}/")).text());`;
  const proxied = { HTTP_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: "example.org" };
  const asked = Bun.spawn(script(code), { stdout: "pipe", env: { ...process.env, ...proxied } });
  expect(await new Response(asked.stdout).text()).toBe("direct");
});

test("the first signal aborts, the second ends the process", async () => {
  const code = `io.signal.addEventListener("abort", () => io.stdout.write("aborted")); io.stdout.write("ready"); setInterval(() => 0, 1000);`;
  const child = Bun.spawn(script(code), { stdout: "pipe" });
  const reader = child.stdout.getReader();
  const next = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
  expect(await next()).toBe("ready");
  child.kill("SIGINT");
  expect(await next()).toBe("aborted");
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
});
