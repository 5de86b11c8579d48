/**
 * Policy: what a repository wants of the hooks, from `.holdfast.json` at the root of the worktree.
 *
 *     {"hooks": {"policy": [{"paths": ["docs/**"], "do": "warn"}, {"paths": ["dist"], "do": "off"}],
 *                "hot": ["README*"], "leaseMs": 600000, "hotLeaseMs": 120000, "whenHubIsDown": "open"}}
 *
 * The first rule that covers a path decides; a path that no rule covers is denied when another holds it.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";
import { type Covering, compileScope, normaliseScope, overlaps } from "../../core/model/scopes.ts";

/** What is done about an edit of what another holds: nothing at all, a word to the agent, a refusal. */
export type Measure = "off" | "warn" | "deny";

/** What holds for one worktree. */
export interface Policy {
  measure(path: string, isFolder: boolean): Measure;
  /** Whether many edit the file, so that it is held for a short time only. */
  isHot(path: string): boolean;
  readonly leaseMs: number;
  readonly hotLeaseMs: number;
  readonly whenHubIsDown: "open" | "closed";
  /** What is wrong with the file, for people; the defaults hold instead. */
  readonly problem?: string;
}

/** The name of the file. */
export const POLICY_FILE = ".holdfast.json";

/** Files that many agents edit for a moment each. */
const HOT = [
  "**/{README,CHANGELOG,CHANGES,HISTORY}*",
  "**/{package,composer,deno,tsconfig}.json",
  "**/{package-lock.json,npm-shrinkwrap.json,yarn.lock,pnpm-lock.yaml,bun.lock,bun.lockb,deno.lock}",
  "**/{Cargo.toml,Cargo.lock,go.mod,go.sum,pyproject.toml,poetry.lock,uv.lock,Pipfile,Pipfile.lock}",
  "**/{requirements*.txt,Gemfile,Gemfile.lock,composer.lock,pom.xml,*.gradle,mix.exs,mix.lock}",
] as const;

interface Kept {
  readonly mark: string;
  readonly policy: Policy;
}

/** Policies by worktree, read again when their file changed. */
export class Policies {
  readonly #kept = new Map<string, Kept>();

  of(root: string): Policy {
    const file = join(root, POLICY_FILE);
    const stat = statSync(file, { throwIfNoEntry: false });
    const mark = stat === undefined ? "" : `${stat.mtimeMs} ${stat.size} ${stat.ino}`;
    const kept = this.#kept.get(root);
    if (kept?.mark === mark) return kept.policy;
    const policy = stat === undefined ? defaults() : readPolicy(file, stat.size);
    if (this.#kept.size >= limits.hookSessionsMax) this.#kept.clear();
    this.#kept.set(root, { mark, policy });
    return policy;
  }
}

/** The policy of a worktree, read now. */
export function policyOf(root: string): Policy {
  return new Policies().of(root);
}

function readPolicy(file: string, size: number): Policy {
  try {
    if (size > limits.hookConfigBytesMax) throw new Error("it is too large");
    const said: unknown = JSON.parse(readFileSync(file, "utf8"));
    return parsePolicy((fieldsOf(said, "the file").hooks ?? {}) as unknown);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...defaults(), problem: `${POLICY_FILE}: ${why.slice(0, 200)}; the defaults hold` };
  }
}

/** Throws what is wrong with it. */
export function parsePolicy(hooks: unknown): Policy {
  const { policy = [], hot, leaseMs, hotLeaseMs, whenHubIsDown = "open" } = fieldsOf(hooks, "hooks");
  if (!Array.isArray(policy) || policy.length > limits.hookRulesMax) {
    throw new Error(`policy is a list of at most ${limits.hookRulesMax} rules`);
  }
  if (whenHubIsDown !== "open" && whenHubIsDown !== "closed") {
    throw new Error('whenHubIsDown is "open" or "closed"');
  }
  const rules = policy.map((rule: unknown) => {
    const { paths, do: measure } = fieldsOf(rule, "a rule");
    if (measure !== "off" && measure !== "warn" && measure !== "deny") {
      throw new Error('do is "off", "warn" or "deny"');
    }
    return { covers: compiled(paths, "paths"), measure } as const;
  });
  const hotPaths = compiled(hot ?? HOT, "hot");
  const lease = lengthOf(leaseMs, "leaseMs", limits.hookLeaseMs);
  return {
    measure: (path, isFolder) => {
      const scope = compileScope(isFolder ? { paths: [path] } : { files: [path] }, false);
      return rules.find(({ covers }) => overlaps(covers, scope))?.measure ?? "deny";
    },
    isHot: (path) => overlaps(hotPaths, compileScope({ files: [path] }, false)),
    leaseMs: lease,
    hotLeaseMs: lengthOf(hotLeaseMs, "hotLeaseMs", Math.min(limits.hookHotLeaseMs, lease)),
    whenHubIsDown,
  };
}

function compiled(paths: unknown, name: string): Covering {
  if (!Array.isArray(paths) || !paths.every((path) => typeof path === "string")) {
    throw new Error(`${name} is a list of patterns`);
  }
  if (paths.length === 0) return compileScope({}, false);
  const normal = normaliseScope({ paths });
  if ("scope" in normal) return compileScope(normal.scope, false);
  const { problem } = normal;
  throw new Error(problem.kind === "outside" ? `${problem.path} is outside the worktree` : problem.why);
}

function lengthOf(ms: unknown, name: string, otherwise: number): number {
  if (ms === undefined) return otherwise;
  if (Number.isSafeInteger(ms) && (ms as number) >= limits.ttlMsMin && (ms as number) <= limits.ttlMsMax) {
    return ms as number;
  }
  throw new Error(`${name} is ${limits.ttlMsMin} to ${limits.ttlMsMax} milliseconds`);
}

function fieldsOf(value: unknown, what: string): { readonly [field: string]: unknown } {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error(`${what} is an object`);
}

let made: Policy | undefined;

/** Made when first asked for: a hook that only hands on needs none. */
function defaults(): Policy {
  made ??= parsePolicy({});
  return made;
}
