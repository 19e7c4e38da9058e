import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { temporaryDirectory } from "./start-flock.ts";

/** A machine's clock that a test moves while the machine runs. */
export interface WrongClock extends Disposable {
  /** What a Flock process is started with to go by it. */
  readonly options: { readonly env: Readonly<Record<string, string>> };
  /** By so much it is ahead from now on. */
  ahead(minutes: number): void;
}

/**
 * A process of its own, and what it starts, whose clock is wrong. With Debian's libfaketime it is every clock but the
 * monotonic one, whoever reads it; where that is not installed, JavaScript's (`wrong-clock-preload.ts`). No setting of the
 * product does this.
 */
export function wrongClock(): WrongClock {
  const folder = temporaryDirectory();
  const file = join(folder, "clock");
  const library = `/usr/lib/${arch() === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/faketime/libfaketime.so.1`;
  const isReal = existsSync(library);
  const write = (text: string): void => {
    // Whole or not at all: it is read all the time.
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  const ahead = (minutes: number): void =>
    write(isReal ? `${minutes < 0 ? "" : "+"}${minutes * 60}` : String(minutes * 60_000));
  ahead(0);
  const fake = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  const moved = { BUN_OPTIONS: `--preload=${join(import.meta.dir, "wrong-clock-preload.ts")}`, WRONG_CLOCK_FILE: file };
  const options = { env: isReal ? fake : moved };
  return { options, ahead, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
