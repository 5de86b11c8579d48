/**
 * `token`: makes, lists and removes the tokens of a hub. A token is shown once, when it is made; only its
 * digest is kept.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { formats } from "../../core/protocol/formats.ts";
import { parseTokens, type TokenLine, tokenDigest, tokenLine } from "../node/tokens.ts";
import { usage } from "./arguments.ts";
import { exits, type Run } from "./command.ts";
import { placeOf } from "./reach.ts";
import { safeLine, table } from "./render.ts";

/** How many random bytes a token has. */
const TOKEN_BYTES = 32;

export const tokenVerb: Run = async (command) => {
  const { args, out, cwd } = command;
  const named = args.text("token-file");
  const file = named === undefined ? resolve(placeOf(command).folder, "tokens") : resolve(cwd, named);
  const lines = read(file);
  const [what, name] = args.words;
  switch (what) {
    case "add": {
      const owner = nameOf(name);
      const token = `hf_${randomBytes(TOKEN_BYTES).toString("base64url")}`;
      const operator = args.flag("operator");
      write(file, [...lines, { name: owner, digest: tokenDigest(token), operator }]);
      out.data({ name: owner, operator, token, file }, () => token);
      out.say(
        `A token for ${safeLine(owner)}${operator ? ", an operator" : ""}; it is not shown again. Kept in ${file}.`,
      );
      return exits.ok;
    }
    case "list": {
      const shown = lines.map(({ name, digest, operator }) => ({
        name,
        operator,
        digest: digest.slice(0, 8),
      }));
      out.data({ items: shown }, () =>
        shown.length === 0
          ? ""
          : table(
              ["NAME", "ROLE", "DIGEST"],
              shown.map((line) => [line.name, line.operator ? "operator" : "", `${line.digest}…`]),
            ),
      );
      return exits.ok;
    }
    case "remove": {
      const owner = nameOf(name);
      const kept = lines.filter((line) => line.name !== owner);
      if (kept.length < lines.length) write(file, kept);
      const removed = lines.length - kept.length;
      out.data({ name: owner, removed }, () =>
        safeLine(`${removed} token${removed === 1 ? "" : "s"} of ${owner} removed`),
      );
      return removed === 0 ? exits.failed : exits.ok;
    }
    default:
      return usage("holdfast token takes add NAME, list or remove NAME.");
  }
};

function nameOf(name: string | undefined): string {
  if (name === undefined) usage("NAME is missing.");
  const why = name === "*" ? undefined : formats.name(name);
  if (why !== undefined) usage(`${safeLine(name)} is no name: it ${why}.`);
  return name;
}

function read(file: string): readonly TokenLine[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return parseTokens(text, file);
}

function write(file: string, lines: readonly TokenLine[]): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, lines.map((line) => `${tokenLine(line)}\n`).join(""), { mode: 0o600 });
  renameSync(draft, file);
}
