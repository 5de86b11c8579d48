#!/usr/bin/env node
/**
 * The program `holdfast`.
 */
import { main } from "./main.ts";

// Whatever a command waits for, it is waited for: timers of the library keep no process alive.
const waiting = setInterval(() => undefined, 0x7fffffff);
void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
  clearInterval(waiting);
});
