// `npm start`: install what is missing, then `flock up` in the foreground.
import { runFlock } from "./flock.mjs";

await runFlock(["up", ...process.argv.slice(2)]);
