/**
 * The command line's entry: finds the verb, runs it, and turns what was thrown into words and an exit code.
 */
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import { whoAmI } from "../place/identity.ts";
import { nearest, parseArguments } from "./arguments.ts";
import { type Command, exits } from "./command.ts";
import { everywhere } from "./options.ts";
import { hubOf, placeOf } from "./reach.ts";
import { type Output, processOutput, safeLine, write } from "./render.ts";
import { verbs } from "./verbs.ts";

/** Runs a command line; resolves with its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const json = argv.slice(0, argv.indexOf("--") >= 0 ? argv.indexOf("--") : argv.length).includes("--json");
  const out = processOutput(json);
  try {
    const [name, ...rest] = argv;
    if (name === undefined || name === "help" || name === "--help" || name === "-h") {
      const { helpText } = await import("./help.ts");
      write(1, helpText(rest));
      return name === undefined ? exits.usage : exits.ok;
    }
    if (name === "--version" || name === "-V" || name === "version") {
      const { version } = await import("../place/version.ts");
      out.data({ version }, () => version);
      return exits.ok;
    }
    const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
    if (verb === undefined) {
      const near = nearest(name, Object.keys(verbs));
      const hint = near === undefined ? "See holdfast help." : `Did you mean ${near}?`;
      throw new Failure("usage", `There is no verb ${safeLine(name)}. ${hint}`);
    }
    const args = parseArguments(rest, [...verb.options, ...everywhere], verb.arity);
    if (args.flag("help")) {
      const { verbHelp } = await import("./help.ts");
      write(1, verbHelp(name, verb));
      return exits.ok;
    }
    if (args.words.length < verb.arity.min) {
      throw new Failure("usage", `holdfast ${name} takes ${verb.takes}. See holdfast ${name} --help.`);
    }
    const run = await verb.load();
    const command = { args, out, env: process.env, cwd: process.cwd() };
    try {
      return await run(command);
    } catch (error) {
      if (error instanceof Refused) await remember(command, name, error);
      throw error;
    }
  } catch (error) {
    return tell(error, out);
  }
}

/** Keeps a refusal for `why`. */
async function remember(command: Command, verb: string, refused: Refused): Promise<void> {
  const { args, env } = command;
  const { rememberRefusals } = await import("../place/refusals.ts");
  const agent = whoAmI(args.text("as"), env);
  const { code, message, fields } = refused;
  rememberRefusals(placeOf(command).folder, hubOf(command), [
    { agent, command: [verb, ...args.words], code, message, fields },
  ]);
}

/** What is wrong with a file, and what to do. */
const troubles: { readonly [code: string]: string } = {
  ENOSPC: "there is no room on the disk. Free some and try again.",
  EDQUOT: "your quota is used up. Free some of it and try again.",
  EROFS: "it is on a read-only file system. Mount it for writing, or name another place.",
  EACCES: "you may not use it. Check its owner and mode, or name another place.",
  EPERM: "you may not use it. Check its owner and mode, or name another place.",
  ENOENT: "it is not there. Check the name.",
  ENOTDIR: "a part of its path is a file. Check the name.",
  EISDIR: "it is a folder. Name a file.",
};

/** Says what went wrong; the exit code for it. */
function tell(error: unknown, out: Output): number {
  if (error instanceof Refused) {
    if (out.json) out.data(error.rejection, () => "");
    out.say(`refused: ${safeLine(error.message)}`);
    return exits.refused;
  }
  if (error instanceof Failure) {
    const { code, message, definite, fields } = error;
    if (out.json) out.data({ code, message, definite, ...fields }, () => "");
    out.say(`holdfast: ${safeLine(message)}`);
    if (code === "usage") return exits.usage;
    return code === "hub.unreachable" || code === "hub.refused" ? exits.unreachable : exits.failed;
  }
  const { code, path } = error as NodeJS.ErrnoException;
  const advice = typeof path === "string" ? troubles[code ?? ""] : undefined;
  if (advice !== undefined) {
    out.say(`holdfast: ${safeLine(String(path))}: ${advice}`);
    return exits.failed;
  }
  out.say(`holdfast: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return exits.failed;
}
