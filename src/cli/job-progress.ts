import type { Job } from "./api/jobs.ts";
import { count } from "./format.ts";

/** `40 % · 12 of 30 · hour 3`. */
export function jobProgress(progress: Job["progress"]): string {
  if (progress === null) return "";
  const { done, total, message } = progress;
  const share = total === null || total <= 0 ? "" : `${Math.floor((100 * Math.min(done, total)) / total)} %`;
  const amount = total === null ? count(done) : `${count(done)} of ${count(total)}`;
  return [share, amount, message].filter((part) => part !== "").join(" · ");
}

const BAR_WIDTH = 20;

/** `[########------------]`; "" where no share is known. */
export function jobBar(progress: Job["progress"]): string {
  if (progress === null || progress.total === null || progress.total <= 0) return "";
  const filled = Math.floor((BAR_WIDTH * Math.min(progress.done, progress.total)) / progress.total);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}]`;
}
