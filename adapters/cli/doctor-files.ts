/**
 * Doctor looks at the files that init writes: there, and as this version writes them.
 */
import { type HostSetup, hosts, partsFor } from "../setup/hosts.ts";
import type { Json } from "../setup/json-text.ts";
import { isObject, readJson } from "../setup/json-text.ts";
import type { Part } from "../setup/part.ts";
import { portOf, type runnerIn } from "../setup/runner.ts";
import type { Check } from "./check.ts";
import { findFile } from "./host-files.ts";
import type { Place } from "./reach.ts";
import { chooseRunner, findProgram, hookPort, waitsForHub } from "./setup-terms.ts";

/** The hosts whose hooks stand in a repository, in whatever form. */
export function hostsSetUp(root: string): readonly HostSetup[] {
  return hosts.filter(({ hookFile }) => /holdfast/.test(findFile(root, hookFile).text ?? ""));
}

/** Every file of these hosts, and whether what starts Holdfast from them is there. */
export function checkFiles({ repository, folder }: Place, meant: readonly HostSetup[]): readonly Check[] {
  const { root } = repository;
  const terms = {
    runner: chooseRunner(root, process.env),
    port: hookPort(root) ?? portOf(folder),
    isClosed: waitsForHub(root),
  };
  const checks: Check[] = [];
  const seen = new Set<string>();
  for (const host of meant) {
    for (const [path, parts] of partsFor([host], terms)) {
      const isHooks = path === host.hookFile;
      if (!isHooks && seen.has(path)) continue;
      seen.add(path);
      const check = fileCheck(root, path, parts);
      if (check !== undefined) checks.push(isHooks ? { ...check, check: `hooks ${host.name}` } : check);
    }
    checks.push(...switches(root, host));
  }
  if (meant.length > 0) checks.push(runnerCheck(terms.runner));
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

/** Settings by which Claude Code passes over the hooks that stand in its files. */
function switches(root: string, { name }: HostSetup): readonly Check[] {
  if (name !== "claude") return [];
  const found: Check[] = [];
  for (const path of [".claude/settings.json", ".claude/settings.local.json"]) {
    const read = readJson(findFile(root, path).text ?? "{}");
    const value: Json = read.kind === "value" ? read.value : {};
    if (!isObject(value)) continue;
    if (value.disableAllHooks === true) {
      const said = `${path} switches all hooks off`;
      found.push({
        check: "hooks claude",
        status: "broken",
        said,
        todo: `take disableAllHooks out of ${path}`,
      });
    }
    const urls = value.allowedHttpHookUrls;
    const port = hookPort(root);
    if (
      Array.isArray(urls) &&
      !urls.some((url) => covers(String(url), `http://127.0.0.1:${port}/hooks/claude`))
    ) {
      const said = `${path} lets hooks post only to ${urls.join(", ")}`;
      const todo = `add http://127.0.0.1:${port}/hooks/claude to allowedHttpHookUrls`;
      found.push({ check: "hooks claude", status: "broken", said, todo });
    }
  }
  return found;
}

function covers(pattern: string, url: string): boolean {
  const escaped = pattern.split("*").map((part) => part.replace(/[.?+^$()[\]{}|\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`).test(url);
}

/** Whether the words by which hosts start Holdfast start it. */
function runnerCheck(runner: ReturnType<typeof runnerIn> & string): Check {
  const [program = ""] = runner.split(" ");
  const path = findProgram(program, process.env, false);
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
