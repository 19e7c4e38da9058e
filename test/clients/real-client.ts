import { join } from "node:path";

/** Where Flock is, and what to call it with. */
export interface Service {
  /** `http://127.0.0.1:port`, no path. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
}

/** What a client is started in: an empty home, and a folder with the file that it is asked about. */
export interface Room {
  readonly home: string;
  readonly work: string;
}

/** A real client from npm, run once without a person. */
export interface RealClient {
  readonly name: string;
  /** Its package in `versions.json`. */
  readonly package: string;
  /** The API that it speaks in this run. */
  readonly api: string;
  /** Its configuration files by their path below the home folder. */
  files?(service: Service): Readonly<Record<string, string>>;
  env?(service: Service): Readonly<Record<string, string>>;
  /** Run one after the other; the last one is given the prompt and says the answer. */
  commands(service: Service, prompt: string, room: Room): readonly (readonly string[])[];
}

const MODULES = join(import.meta.dir, ".installed/node_modules");
const PLATFORM = `${process.platform}-${process.arch}`;

/** A file of an installed package. */
export function installed(...path: readonly string[]): string {
  return join(MODULES, ...path);
}

/** Most of them want a newer Node.js than this repository does. */
export const NODE = installed(`node-${PLATFORM}`, "bin/node");

/** Binaries of this platform are packages of their own; the package that a person installs links them by a script. */
export function platformPackage(prefix: string): string {
  return `${prefix}-${PLATFORM}`;
}
