#!/usr/bin/env node
/**
 * The program `holdfast`.
 */
import { main } from "./main.ts";

// A reader that has seen enough is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
// Whatever a command waits for, it is waited for: timers of the library keep no process alive.
const waiting = setInterval(() => undefined, 0x7fffffff);
process.exitCode = await main(process.argv.slice(2));
clearInterval(waiting);
