// Reads what `bun test --reporter=junit` wrote.

const unescape = (text) =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");

const attribute = (tag, name) => unescape(tag.match(new RegExp(` ${name}="([^"]*)"`))?.[1] ?? "");

/**
 * `{ passed, failed, skipped, skippedGroups: lines, files: [{ name, seconds }] }`, the slowest file first. Tests of
 * something real that is not on this machine stand in a group whose name says how to get it; that is what is listed.
 */
export function readReport(xml) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const groups = new Map();
  const seconds = new Map();
  for (const match of xml.matchAll(/<testcase\b[^>]*?(\/>|>[\s\S]*?<\/testcase>)/g)) {
    const whole = match[0];
    const head = whole.slice(0, whole.indexOf(">") + 1);
    const file = attribute(head, "file") || attribute(head, "classname");
    seconds.set(file, (seconds.get(file) ?? 0) + Number(attribute(head, "time") || 0));
    if (whole.includes("<skipped")) {
      // Hooks of a skipped group are listed like tests, without a name.
      if (attribute(head, "name") === "(unnamed)") continue;
      skipped += 1;
      const group = attribute(head, "classname") || attribute(head, "name");
      groups.set(`${group} (${file})`, (groups.get(`${group} (${file})`) ?? 0) + 1);
    } else if (whole.includes("<failure") || whole.includes("<error")) failed += 1;
    else passed += 1;
  }
  const files = [...seconds].map(([name, total]) => ({ name, seconds: total })).sort((a, b) => b.seconds - a.seconds);
  const skippedGroups = [...groups].map(([name, count]) => `${count} of ${name}`);
  return { passed, failed, skipped, skippedGroups, files };
}

/**
 * What `bun test` printed other than that tests passed or were skipped, its count at the end left out: the errors, with
 * the files that they stand under. Bun prints a worker's errors before or after its `(fail)` lines, so all of it is kept.
 */
export function errorsIn(output) {
  const [tests] = output.split(/^(?: \d+ pass|\d+ tests? (?:skipped|failed):)$/m, 1);
  const loud = tests.replaceAll(/^\((?:pass|skip|todo)\) .*\n/gm, "");
  return loud.replaceAll(/^\n\S+\.test\.ts:\n(?=\n)/gm, "").trim();
}
