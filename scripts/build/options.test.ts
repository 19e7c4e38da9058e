import { expect, test } from "bun:test";
import { parseBuildOptions } from "./options.ts";

const parsed = (...argv: string[]) => parseBuildOptions(argv, "/checkout");

test("without options it is every platform, with archives, into dist", () => {
  const options = parsed();
  expect(options.ok && options.value.platforms.map(({ id }) => id)).toEqual([
    "linux-x64",
    "linux-arm64",
    "darwin-x64",
    "darwin-arm64",
  ]);
  expect(options.ok && options.value).toMatchObject({ outDir: "/checkout/dist", archives: true, skipMissing: false });
});

test("platforms are named, each once", () => {
  const options = parsed(
    "--platform=darwin-arm64,linux-x64,linux-x64",
    "--no-archive",
    "--skip-missing",
    "--out",
    "/o",
  );
  expect(options.ok && options.value.platforms.map(({ id }) => id)).toEqual(["linux-x64", "darwin-arm64"]);
  expect(options.ok && options.value).toMatchObject({ outDir: "/o", archives: false, skipMissing: true });
});

test.each([
  [["--platform", "win32-x64"], "there is no build for win32-x64"],
  [["--platform"], "--platform needs a value"],
  [["--fast"], "--fast is no option"],
])("%j is refused", (argv, message) => {
  expect(parseBuildOptions(argv, "/checkout")).toEqual({ ok: false, error: message });
});
