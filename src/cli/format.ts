const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `340 ms`, `4.2 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const part = (size: number): number => Math.floor(ms / size);
  if (ms < MINUTE_MS) return `${part(1000)} s`;
  if (ms < HOUR_MS) return `${part(MINUTE_MS)} m ${Math.floor((ms % MINUTE_MS) / 1000)} s`;
  if (ms < DAY_MS) return `${part(HOUR_MS)} h ${Math.floor((ms % HOUR_MS) / MINUTE_MS)} m`;
  return `${part(DAY_MS)} d ${Math.floor((ms % DAY_MS) / HOUR_MS)} h`;
}

/** `512 B`, `1.5 KiB`, `64 GiB`: powers of 1024, as memory is sold. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = count;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const text = unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "");
  return `${text} ${units[unit]}`;
}

/** A whole number: `12,345`. */
export function count(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** `2026-11-23 14:05:09`, in the time zone of who reads it. */
export function time(epochMs: number): string {
  const date = new Date(epochMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `5 m ago`, `in 3 d`: one unit is enough to place a moment. */
export function relative(epochMs: number, now: number): string {
  const distance = Math.abs(now - epochMs);
  if (distance < 5000) return "now";
  const [size, unit] =
    distance < MINUTE_MS
      ? [1000, "s"]
      : distance < HOUR_MS
        ? [MINUTE_MS, "m"]
        : distance < DAY_MS
          ? [HOUR_MS, "h"]
          : [DAY_MS, "d"];
  const text = `${Math.floor(distance / size)} ${unit}`;
  return epochMs > now ? `in ${text}` : `${text} ago`;
}

const UNITS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS };

/**
 * When something ends: `12h`, `30d`, `2w` from now, or a date. A bare date means the end of that day, UTC, because
 * "until Friday" includes Friday. Null: neither.
 */
export function parseExpiry(text: string, now: number): number | null {
  const span = /^(\d{1,5})([mhdw])$/.exec(text.trim());
  if (span) return now + Number(span[1]) * (UNITS[span[2] ?? ""] ?? 0);
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?$/.test(text.trim())) return null;
  const at = Date.parse(text.trim());
  if (Number.isNaN(at)) return null;
  return text.includes("T") ? at : at + DAY_MS;
}
