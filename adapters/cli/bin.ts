#!/usr/bin/env node
/**
 * The program `holdfast`. A hook is dispatched before anything else is loaded: hosts wait for it at every
 * tool.
 */
const [verb, host] = process.argv.slice(2);
if (verb === "hook" && host !== undefined && !host.startsWith("-")) void import("../hooks/bin.ts");
else {
  // Whatever a command waits for, it is waited for: timers of the library keep no process alive.
  const waiting = setInterval(() => undefined, 0x7fffffff);
  void import("./main.ts")
    .then(({ main }) => main(process.argv.slice(2)))
    .then((code) => {
      process.exitCode = code;
      clearInterval(waiting);
    });
}

export {};
