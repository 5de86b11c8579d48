/**
 * `ensure`: the hub runs afterwards. Hooks wait for it, so what starting one takes is loaded only then.
 */
import { exits, type Run } from "./command.ts";
import { hubOf, placeOf } from "./reach.ts";
import { hubStanding } from "./running-hub.ts";

export const ensureVerb: Run = async (command) => {
  const { args, env, out } = command;
  // A hub that was named is somebody else's to run.
  if (hubOf(command) !== "") return exits.ok;
  const { folder } = placeOf(command);
  const standing = await hubStanding(folder, env);
  if (standing.is === "running" || standing.is === "guarded") {
    const { pid, urls } = standing.hub;
    if (!args.flag("quiet")) out.data({ running: true, started: false, pid, urls }, () => "");
    return exits.ok;
  }
  return (await import("./up.ts")).upVerb(command);
};
