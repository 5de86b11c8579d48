/**
 * `feed`: a feed file as readable lines, or as the entries it was made from.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Failure } from "../../core/failures.ts";
import { readFeed } from "../../transports/ndjson/feed-reader.ts";
import { exits, type Run } from "./command.ts";
import { shower } from "./past.ts";
import { placeOf } from "./reach.ts";

export const feedVerb: Run = async (command) => {
  const { args, cwd } = command;
  const named = args.words[0];
  const file = named === undefined ? join(placeOf(command).folder, "feed.ndjson") : resolve(cwd, named);
  const follow = args.flag("follow");
  if (!follow && !existsSync(file)) {
    throw new Failure("usage", `There is no feed at ${file}; a hub writes one: holdfast serve.`, {
      fields: { file },
    });
  }
  const show = shower(command);
  const after = args.integer("after");
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  const entries = readFeed(file, {
    ...(after === undefined ? { fromOldest: true } : { after }),
    follow,
    signal: stop.signal,
  });
  for await (const entry of entries) show(entry);
  return exits.ok;
};
