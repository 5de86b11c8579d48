/**
 * The verbs that stand between claims and commits, as data.
 */
import type { Verb } from "./command.ts";
import { EPOCH, many, NOTE, none, SHARED, TTL, WAIT, WORKTREE } from "./options.ts";

/** Part of the table of verbs. */
export const gitVerbs: { readonly [name: string]: Verb } = {
  git: {
    takes: "claim ID [PATHS…] | install | uninstall | hook NAME",
    arity: { ...many, min: 1 },
    about: "claims what is changed on a branch, and lets git's hooks guard commits and give claims back",
    options: [
      {
        name: "auto-release",
        kind: "text",
        value: "commit|merge",
        about:
          "with claim: released as done once all of it is committed, or once that is in the default branch",
      },
      { name: "task", kind: "text", value: "ID", about: "with claim: the task it is for" },
      TTL,
      WAIT,
      SHARED,
      NOTE,
      EPOCH,
      WORKTREE,
    ],
    examples: [
      ["holdfast git claim AUTH-7", "what is changed or new in this worktree, with its branch and base"],
      ["holdfast git claim AUTH-7 src/auth --auto-release commit", "given back when it is committed"],
      [
        "holdfast git install",
        "hooks beside those there are: commits of what others hold are refused, claims are given back",
      ],
      ["holdfast git uninstall", "the hooks as they were, byte for byte"],
    ],
    load: async () => (await import("./git.ts")).gitVerb,
  },
  gate: {
    takes: "",
    arity: none,
    about: "refuses commits of what others hold, or of what was changed under a grant that is over",
    options: [
      {
        name: "base",
        kind: "text",
        value: "REF",
        about:
          "check all between there and HEAD, against the claims of every worktree, instead of what is staged",
      },
      {
        name: "branch",
        kind: "text",
        value: "NAME",
        about:
          "with --base: the branch that is checked, where HEAD is detached; claims made on it are its own",
      },
      WORKTREE,
    ],
    examples: [
      ["holdfast gate", "what is staged here; exit code 2 and a sentence for each file that is refused"],
      ['holdfast gate --base origin/main --branch "$BRANCH"', "in CI or a merge queue"],
    ],
    load: async () => (await import("./gate.ts")).gateVerb,
  },
  conflicts: {
    takes: "",
    arity: none,
    about: "shows which worktrees and branches will conflict when merged, and which claims meet there",
    options: [{ name: "check", kind: "flag", about: "exit code 2 where a conflict is predicted" }],
    examples: [
      ["holdfast conflicts", "all worktrees and unmerged branches in pairs, what is not committed included"],
      ["holdfast conflicts --check", "for CI"],
    ],
    load: async () => (await import("./conflicts.ts")).conflictsVerb,
  },
};
