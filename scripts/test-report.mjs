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
 * `{ passed, failed, skipped: names, files: [{ name, seconds }] }`, the slowest file first. A test that stands for
 * something real that is not on this machine says in its name how to get it; that name is what is listed.
 */
export function readReport(xml) {
  let passed = 0;
  let failed = 0;
  const skipped = [];
  const seconds = new Map();
  for (const match of xml.matchAll(/<testcase\b[^>]*?(\/>|>[\s\S]*?<\/testcase>)/g)) {
    const whole = match[0];
    const head = whole.slice(0, whole.indexOf(">") + 1);
    const file = attribute(head, "file") || attribute(head, "classname");
    seconds.set(file, (seconds.get(file) ?? 0) + Number(attribute(head, "time") || 0));
    if (whole.includes("<skipped")) skipped.push(`${attribute(head, "name")} (${file})`);
    else if (whole.includes("<failure") || whole.includes("<error")) failed += 1;
    else passed += 1;
  }
  const files = [...seconds].map(([name, total]) => ({ name, seconds: total })).sort((a, b) => b.seconds - a.seconds);
  return { passed, failed, skipped, files };
}
