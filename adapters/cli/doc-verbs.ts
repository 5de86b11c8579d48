/**
 * The verb of documents, as data.
 */
import type { Verb } from "./command.ts";
import { LIMIT, many, WORKTREE } from "./options.ts";

/** Part of the table of verbs. */
export const docVerbs: { readonly [name: string]: Verb } = {
  doc: {
    takes:
      "put|push|pull|sync FILE | blocks|read|history|remove DOC | patch DOC BLOCK [TEXT] | undo DOC BLOCK | " +
      "unpack DOC [DIR] | list",
    arity: many,
    about: "edits a document together: a file whose blocks several agents patch",
    options: [
      {
        name: "document",
        kind: "text",
        value: "ID",
        about: "its name; else the file's path in the worktree",
      },
      {
        name: "format",
        kind: "text",
        value: "F",
        about: "with put: markpact or text; else by the file's name",
      },
      { name: "shared", kind: "flag", about: "with put: may be edited though another claims its path" },
      { name: "replace", kind: "flag", about: "with put: it is there already, and becomes this file" },
      { name: "block", kind: "text", value: "BLOCK", about: "with read and history: only that one" },
      { name: "base", kind: "integer", value: "N", about: "with patch: the version your text was made from" },
      {
        name: "changes",
        kind: "text",
        value: "JSON",
        about: "with patch: [{from, to?, insert?}, …] instead of a text",
      },
      {
        name: "reject",
        kind: "flag",
        about: "with patch: refused, not merged, where others changed the same",
      },
      { name: "by", kind: "text", value: "NAME", about: "with undo: whose patch; your own unless told" },
      { name: "force", kind: "flag", about: "with pull: what only the file has is given up" },
      LIMIT,
      WORKTREE,
    ],
    examples: [
      ["holdfast doc put README.md", "from now on it is edited together"],
      [
        "holdfast doc push README.md",
        "sends what you changed, merges what others changed, writes the result",
      ],
      ["holdfast doc sync README.md", "both, all the time"],
      ["holdfast doc patch README.md markpact:run --base 3 'npm start'", "what version 3 should have become"],
    ],
    load: async () => (await import("./doc.ts")).docVerb,
  },
};
