// `npm start`: install what is missing, then `flock up` in the foreground.
import { runFlock } from "./flock.mjs";

runFlock(["up", ...process.argv.slice(2)]);
