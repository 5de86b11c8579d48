/**
 * Doctor looks at the files that init writes: there, and as this version writes them.
 */
import { join } from "node:path";
import type { HostSetup } from "../setup/host.ts";
import { hosts } from "../setup/hosts.ts";
import { isObject, readJson } from "../setup/json-text.ts";
import type { Part } from "../setup/part.ts";
import { portOf, type Runner } from "../setup/runner.ts";
import type { Check } from "./check.ts";
import { findFile } from "./host-files.ts";
import { partsHere } from "./host-parts.ts";
import type { Place } from "./reach.ts";
import { chooseRunner, findProgram, hookPort, textOf, waitsForHub } from "./setup-terms.ts";

/** The hosts whose hooks stand in a repository, in whatever form. */
export function hostsSetUp(root: string): readonly HostSetup[] {
  return hosts.filter(({ hookFile }) => /holdfast/.test(findFile(root, hookFile).text ?? ""));
}

/** Every file of these hosts, and whether what starts Holdfast from them is there. */
export function checkFiles(
  place: Place,
  meant: readonly HostSetup[],
  env: NodeJS.ProcessEnv,
): readonly Check[] {
  const { repository, folder } = place;
  const { root } = repository;
  const terms = {
    runner: chooseRunner(root, env),
    port: hookPort(root) ?? portOf(folder),
    isClosed: waitsForHub(root),
  };
  const checks: Check[] = [];
  const seen = new Set<string>();
  for (const host of meant) {
    for (const [path, parts] of partsHere(place, [host], terms)) {
      const isHooks = path === host.hookFile;
      if (!isHooks && seen.has(path)) continue;
      seen.add(path);
      const check = fileCheck(root, path, parts);
      if (check !== undefined) checks.push(isHooks ? { ...check, check: `hooks ${host.name}` } : check);
    }
    checks.push(...switches(root, host, env));
  }
  if (meant.length > 0) checks.push(runnerCheck(terms.runner, env));
  return checks;
}

function fileCheck(root: string, path: string, parts: readonly Part[]): Check | undefined {
  const { text } = findFile(root, path);
  let after = text;
  for (const part of parts) {
    const outcome = part.put(after);
    if (outcome.kind === "broken") {
      return {
        check: path,
        status: "broken",
        said: `${path}: ${outcome.why}`,
        todo: "mend it, then holdfast init",
      };
    }
    if (outcome.kind === "left") {
      const has = /holdfast/.test(text ?? "");
      return {
        check: path,
        status: has ? "unknown" : "broken",
        said: `${path}: ${has ? "holdfast stands in it; whether it is right cannot be told" : outcome.why}`,
      };
    }
    after = outcome.kind === "text" ? outcome.text : undefined;
  }
  // A file that is only made use of where it is there.
  if (after === undefined) return undefined;
  const about = parts.map((part) => part.about).join(", ");
  if (after === text) return { check: path, status: "ok", said: `${path} is as it should be: ${about}` };
  const said = `${path} ${text === undefined ? "is missing" : "is not what this version writes"}: ${about}`;
  return { check: path, status: "broken", said, todo: "holdfast init" };
}

/**
 * Settings by which Claude Code passes over the hooks that stand in its files: the project's and the
 * person's.
 */
function switches(root: string, { name }: HostSetup, env: NodeJS.ProcessEnv): readonly Check[] {
  if (name !== "claude") return [];
  const own = env.CLAUDE_CONFIG_DIR ?? join(env.HOME ?? env.USERPROFILE ?? root, ".claude");
  const page = `http://127.0.0.1:${hookPort(root)}/hooks/claude`;
  const files = [".claude/settings.json", ".claude/settings.local.json"].map((path) => join(root, path));
  return [...files, join(own, "settings.json")].flatMap((file): Check[] => {
    const read = readJson(textOf(file) || "{}");
    if (read.kind !== "value" || !isObject(read.value)) return [];
    const { disableAllHooks, allowedHttpHookUrls: urls } = read.value;
    const broken = { check: "hooks claude", status: "broken" } as const;
    if (disableAllHooks === true) {
      const todo = `take disableAllHooks out of ${file}`;
      return [{ ...broken, said: `${file} switches all hooks off`, todo }];
    }
    if (!Array.isArray(urls) || urls.some((url) => covers(String(url), page))) return [];
    const said = `${file} lets hooks post only to ${urls.join(", ") || "nowhere"}`;
    return [{ ...broken, said, todo: `add ${page} to its allowedHttpHookUrls` }];
  });
}

function covers(pattern: string, url: string): boolean {
  const escaped = pattern.split("*").map((part) => part.replace(/[.?+^$()[\]{}|\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`).test(url);
}

/** Whether the words by which hosts start Holdfast start it. */
function runnerCheck(runner: Runner, env: NodeJS.ProcessEnv): Check {
  const [program = ""] = runner.split(" ");
  const path = findProgram(program, env, false);
  if (path === undefined) {
    return {
      check: "command",
      status: "broken",
      said: `hosts start \`${runner}\`, and ${program} is not on the path`,
      todo: "npm install -g holdfast",
    };
  }
  if (program === "npx") {
    return {
      check: "command",
      status: "warn",
      said: "hosts start Holdfast through npx, which adds about a third of a second to each hook",
      todo: "npm install -g holdfast, then holdfast init --undo and holdfast init",
    };
  }
  return { check: "command", status: "ok", said: `hosts start ${path}` };
}
