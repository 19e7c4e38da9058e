import { expect, test } from "bun:test";
import { listen } from "./listen.ts";

test("an answer that ends just as the server closes comes whole", async () => {
  for (let round = 0; round < 20; round += 1) {
    const leave = Promise.withResolvers<void>();
    const encoder = new TextEncoder();
    const any = (): Response =>
      new Response(
        new ReadableStream<Uint8Array>({
          async start(controller) {
            controller.enqueue(encoder.encode("begun\n"));
            await leave.promise;
            controller.enqueue(encoder.encode("ended\n"));
            controller.close();
          },
        }),
      );
    const server = listen(
      { any, buffered: () => null },
      { host: "127.0.0.1", port: 0, loopback: true },
      { cert: "", key: "" },
    );
    if (!server.ok) throw new Error(server.error.message);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => fetch(`http://127.0.0.1:${server.value.port}/events`, { keepalive: false })),
    );
    const texts = Promise.all(answers.map((answer) => answer.text()));
    // What was said before is long gone out.
    if (round === 0) await Bun.sleep(200);
    const closed = server.value.close(AbortSignal.timeout(10_000));
    leave.resolve();
    expect(await texts).toEqual(answers.map(() => "begun\nended\n"));
    await closed;
  }
});
