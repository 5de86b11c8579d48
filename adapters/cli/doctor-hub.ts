/**
 * Doctor looks at what runs: this program, the log, the hub, git's hooks.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { version } from "../place/version.ts";
import { type Check, reasonOf } from "./check.ts";
import { isMissing, type Place, visitHub } from "./reach.ts";
import { hubStanding, type Standing } from "./running-hub.ts";
import { hookPort, textOf } from "./setup-terms.ts";
import { wordsFile } from "./words-file.ts";

/** The oldest node that is served. */
const NODE_MIN = 20;
/** An answer that takes longer is felt: every edit waits for one. */
const SLOW_MS = 250;

/** This program and what runs it. */
export function checkVersions(): Check {
  const node = process.versions.node;
  const old = Number(node.split(".")[0]) < NODE_MIN;
  return {
    check: "versions",
    status: old ? "broken" : "ok",
    said: `holdfast ${version}, node ${node}, ${process.platform}`,
    ...(old ? { todo: `node ${NODE_MIN} or newer is needed` } : {}),
  };
}

/** Whether the log can be opened and folded, from its newest snapshot on. */
export async function checkLog({ file }: Place): Promise<Check> {
  if (isMissing(file))
    return { check: "log", status: "ok", said: `${file} is not there yet; the first use makes it` };
  try {
    const { lookDirectly } = await import("./direct-look.ts");
    const beganMs = performance.now();
    const log = await lookDirectly(file, "keeper");
    const { seq, durable } = log;
    await log.close();
    const tookMs = performance.now() - beganMs;
    if (durable !== "full") {
      return {
        check: "log",
        status: "warn",
        said: `${file}: ${seq} entries; it is relaxed: what was acknowledged last may be lost with the power`,
      };
    }
    return { check: "log", status: "ok", said: `${file}: ${seq} entries, opened and folded`, tookMs };
  } catch (error) {
    return {
      check: "log",
      status: "broken",
      said: reasonOf(error),
      todo: "holdfast verify tells what is wrong with it",
    };
  }
}

/** Whether the hub answers, how soon, which version it is, and whether hooks find it where they look. */
export async function checkHub(
  place: Place,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly standing: Standing; readonly checks: readonly Check[] }> {
  const { folder, repository } = place;
  const standing = await hubStanding(folder, env);
  const words = existsSync(wordsFile(folder)) ? `; its last words are in ${wordsFile(folder)}` : "";
  if (standing.is === "none") {
    const said = `no hub runs here${words}`;
    return { standing, checks: [{ check: "hub", status: "broken", said, todo: "holdfast up" }] };
  }
  const { hub } = standing;
  if (standing.is === "silent") {
    const said = `process ${hub.pid} does not answer as the hub that ${folder} names${words}`;
    return {
      standing,
      checks: [{ check: "hub", status: "broken", said, todo: "holdfast down, then holdfast up" }],
    };
  }
  if (standing.is === "guarded") {
    const said = `process ${hub.pid} asks for a token`;
    const todo = "set HOLDFAST_TOKEN, also for the hosts of agents";
    return { standing, checks: [{ check: "hub", status: "broken", said, todo }] };
  }
  const checks: Check[] = [await answer(standing.hub, env)];
  if (hub.version !== undefined && hub.version !== version) {
    checks.push({
      check: "hub version",
      status: "warn",
      said: `the hub is ${hub.version}, this program is ${version}`,
      todo: "holdfast down, then holdfast up",
    });
  }
  const port = hookPort(repository.root);
  if (port !== undefined && folder === repository.folder) checks.push(await atPort(hub.urls, port));
  return { standing, checks };
}

async function answer(
  hub: { readonly pid: number; readonly urls: readonly string[] },
  env: NodeJS.ProcessEnv,
) {
  const url = hub.urls.find((one) => /^(ws|mqtt):/.test(one)) ?? "";
  const token = env.HOLDFAST_TOKEN;
  const visit = await visitHub(url, { agent: "keeper", observe: true, ...(token ? { token } : {}) });
  try {
    const beganMs = performance.now();
    await visit.call("state.summary", {});
    const tookMs = performance.now() - beganMs;
    const slow = tookMs > SLOW_MS;
    return {
      check: "hub",
      status: slow ? ("warn" as const) : ("ok" as const),
      said: `process ${hub.pid} answers at ${url}${slow ? ", slowly: every edit waits as long" : ""}`,
      tookMs,
    };
  } finally {
    await visit.close();
  }
}

/** Whether the hub has the port that hooks are posted to, or another hub has it, which hands them on. */
async function atPort(urls: readonly string[], port: number): Promise<Check> {
  const check = "hub port";
  const has = urls.some((url) => /^(ws|http):/.test(url) && new URL(url).port === String(port));
  if (has) return { check, status: "ok", said: `hooks are posted to port ${port}, which is the hub's` };
  const own = "holdfast init --port N gives this clone a port of its own";
  if (await isHub(port)) {
    const said = `hooks are posted to port ${port}, which the hub of another repository has: it hands them on`;
    return { check, status: "warn", said, todo: `${own}, should that one not always run` };
  }
  return {
    check,
    status: "broken",
    said: `hooks are posted to port ${port}, and the hub has another: it was taken when the hub started`,
    todo: `end what has the port, then holdfast down and holdfast up; or ${own}`,
  };
}

async function isHub(port: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(SLOW_MS * 4);
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal, redirect: "error" });
    return typeof ((await answer.json()) as { readonly status?: unknown }).status === "string";
  } catch {
    return false;
  }
}

/** Git's hooks, which keep a commit from taking what another holds. */
export async function checkGit({ repository }: Place, env: NodeJS.ProcessEnv): Promise<readonly Check[]> {
  const { gitCommonDir, root } = repository;
  if (gitCommonDir === undefined) return [];
  const todo = "holdfast git install";
  try {
    const { Git } = await import("../git/git.ts");
    const { hooks } = await import("../git/hook-text.ts");
    const { hooksPlace } = await import("../git/hooks.ts");
    const { folder } = await hooksPlace(new Git(root, env), gitCommonDir, env);
    const has = (hook: string): boolean => /^# >>> holdfast/m.test(textOf(join(folder, hook)));
    const missing = Object.keys(hooks).filter((hook) => !has(hook));
    if (missing.length === 0) {
      return [{ check: "git", status: "ok", said: `git's hooks are installed in ${folder}` }];
    }
    const all = missing.length === Object.keys(hooks).length;
    const said = all
      ? "no hooks of git are installed: a commit may take in what another agent holds"
      : `hooks of git are missing: ${missing.join(", ")}`;
    return [{ check: "git", status: all ? "warn" : "broken", said, todo }];
  } catch (error) {
    return [{ check: "git", status: "unknown", said: reasonOf(error) }];
  }
}
