/**
 * `doctor`: checks hub, log and hosts by using them as agents do, and says what to do.
 */
import type { hosts } from "../setup/hosts.ts";
import { type Check, checksText } from "./check.ts";
import { exits, type Run } from "./command.ts";
import { checkFiles, hostsSetUp } from "./doctor-files.ts";
import { checkFiring } from "./doctor-firing.ts";
import { checkGit, checkHub, checkLog, checkVersions } from "./doctor-hub.ts";
import { placeOf } from "./reach.ts";
import { chooseHosts } from "./setup-terms.ts";

export const doctorVerb: Run = async (command) => {
  const { args, env, out } = command;
  const place = placeOf(command);
  const { root } = place.repository;
  const hub = await checkHub(place, env);
  const checks: Check[] = [checkVersions(), await checkLog(place), ...hub.checks];
  const setUp = hostsSetUp(root);
  const named = args.list("host");
  const meant = named === undefined ? setUp : chooseHosts(root, named, env).map(({ host }) => host);
  if (meant.length === 0) {
    checks.push({
      check: "hooks",
      status: "broken",
      said: "no host of agents is set up here, so nothing keeps them apart",
      todo: "holdfast init",
    });
  }
  checks.push(...checkFiles(place, meant, env));
  checks.push(...(await checkFiring(command, place, meant, hub.standing)));
  if (named === undefined) checks.push(...othersInUse(root, env, setUp));
  checks.push(...(await checkGit(place, env)));
  const ok = !checks.some(({ status }) => status === "broken");
  out.data({ ok, root, checks }, () => checksText(checks));
  if (!ok) out.say("Something is broken: see what to do above.");
  return ok ? exits.ok : exits.failed;
};

/** Hosts that seem to be used here and are not set up. */
function othersInUse(root: string, env: NodeJS.ProcessEnv, setUp: typeof hosts): readonly Check[] {
  return chooseHosts(root, undefined, env)
    .filter(({ host, sign }) => sign !== "default" && !setUp.includes(host))
    .map(({ host, sign }) => ({
      check: `hooks ${host.name}`,
      status: "warn" as const,
      said: `${host.title} seems to be used here (${sign}), and nothing of it is set up`,
      todo: `holdfast init --host ${[...setUp, host].map(({ name }) => name).join(" ")}`,
    }));
}
