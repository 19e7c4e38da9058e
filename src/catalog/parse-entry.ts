import type { z } from "zod";
import { err, ok, type Result } from "../core/result.ts";
import type { CatalogProblem } from "./catalog-problem.ts";
import { catalogEntry, type CatalogEntry } from "./entry.ts";

/** Reads one file's text. Every problem names its line. */
export async function parseEntry(file: string, text: string): Promise<Result<CatalogEntry, CatalogProblem[]>> {
  // Imported only when there is a catalogue to read.
  const yaml = await import("yaml");
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number): number => Math.max(lines.linePos(offset).line, 1);
  if (document.errors.length > 0) {
    return err(
      document.errors.map((error) => ({
        file,
        line: lineAt(error.pos[0]),
        message: `is not valid YAML: ${error.message.split("\n")[0]}`,
      })),
    );
  }
  /** Of the key that the path leads to, or of the nearest thing above it that is there. */
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
      const key = path[length - 1];
      const pair = yaml.isMap(parent)
        ? parent.items.find((item) => yaml.isScalar(item.key) && item.key.value === key)
        : undefined;
      const node = pair?.key ?? document.getIn(path.slice(0, length), true);
      if (yaml.isNode(node) && node.range) return lineAt(node.range[0]);
    }
    return 1;
  };
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: 20 });
  } catch (error) {
    return err([{ file, line: 1, message: `cannot be read: ${error instanceof Error ? error.message : "?"}` }]);
  }
  const parsed = catalogEntry.safeParse(plain);
  if (parsed.success) return ok(parsed.data);
  return err(parsed.error.issues.flatMap((issue) => describe(issue, file, lineOf)));
}

function describe(
  issue: z.core.$ZodIssue,
  file: string,
  lineOf: (path: readonly PropertyKey[]) => number,
): CatalogProblem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      return { file, line: lineOf(path), message: `${path.join(".")} is no field of an entry` };
    });
  }
  const field = issue.path.length === 0 ? "the entry" : issue.path.join(".");
  return [{ file, line: lineOf(issue.path), message: `${field}: ${issue.message}` }];
}
