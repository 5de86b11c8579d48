/**
 * `feed`: a feed file as readable lines, or as the entries it was made from.
 */
import { resolve } from "node:path";
import { readFeed } from "../../transports/ndjson/feed-reader.ts";
import { exits, type Run } from "./command.ts";
import { shower } from "./past.ts";

export const feedVerb: Run = async (command) => {
  const { args, cwd } = command;
  const show = shower(command);
  const after = args.integer("after");
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  const entries = readFeed(resolve(cwd, args.words[0] ?? ""), {
    ...(after === undefined ? { fromOldest: true } : { after }),
    follow: args.flag("follow"),
    signal: stop.signal,
  });
  for await (const entry of entries) show(entry);
  return exits.ok;
};
