import { expect, test } from "bun:test";
import { isLoadRequest, isUnloadRequest, toResidencyAnswer } from "./keep-alive.ts";

test.each<[unknown, "load" | "unload" | "neither"]>([
  [{ model: "m" }, "load"],
  [{ model: "m", prompt: "" }, "load"],
  [{ model: "m", messages: [], keep_alive: "10m" }, "load"],
  [{ model: "m", messages: [], keep_alive: -1 }, "load"],
  [{ model: "m", messages: null, keep_alive: "0.5s" }, "load"],
  [{ model: "m", keep_alive: 0 }, "unload"],
  [{ model: "m", messages: [], keep_alive: "0" }, "unload"],
  [{ model: "m", prompt: "", keep_alive: "0m0s" }, "unload"],
  [{ model: "m", prompt: "a", keep_alive: 0 }, "neither"],
  [{ model: "m", messages: [{ role: "user", content: "a" }], keep_alive: 0 }, "neither"],
  [{ model: "m", messages: "wrong" }, "neither"],
  [[], "neither"],
  [null, "neither"],
])("%j asks to %s", (body, what) => {
  expect([isLoadRequest(body), isUnloadRequest(body)]).toEqual([what === "load", what === "unload"]);
});

test("the answer says what was done in the shape of its endpoint", () => {
  expect(toResidencyAnswer("chat", "m", 0, "load")).toEqual({
    model: "m",
    created_at: "1970-01-01T00:00:00.000Z",
    message: { role: "assistant", content: "" },
    done: true,
    done_reason: "load",
  });
  expect(toResidencyAnswer("generate", "m", 0, "unload")).toMatchObject({ response: "", done_reason: "unload" });
});
