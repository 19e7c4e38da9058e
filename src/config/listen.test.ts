import { expect, test } from "bun:test";
import { localUrl, parseListen } from "./listen.ts";

test.each([
  [":8080", "", 8080, false, "http://127.0.0.1:8080"],
  ["8080", "", 8080, false, "http://127.0.0.1:8080"],
  ["127.0.0.1:0", "127.0.0.1", 0, true, "http://127.0.0.1:0"],
  ["localhost:1", "localhost", 1, true, "http://localhost:1"],
  ["[::1]:8080", "::1", 8080, true, "http://[::1]:8080"],
  ["[::]:8080", "::", 8080, false, "http://127.0.0.1:8080"],
  ["10.1.2.3:65535", "10.1.2.3", 65535, false, "http://10.1.2.3:65535"],
  ["127.evil.example:1", "127.evil.example", 1, false, "http://127.evil.example:1"],
])("%s is read", (text, host, port, loopback, url) => {
  const address = parseListen(text);
  expect(address).toEqual({ host, port, loopback });
  expect(address && localUrl(address)).toBe(url);
});

test.each(["", ":", ":65536", "host", "::1:8080", "[::1", "http://x:1", "1.2.3.4.5.6:x", "[zz]:1", "256.1.1.1:80"])(
  "%p is refused",
  (text) => expect(parseListen(text)).toBeNull(),
);
