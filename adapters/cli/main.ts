/**
 * The command line's entry: finds the verb, runs it, and turns what was thrown into words and an exit code.
 */
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import { nearest, parseArguments } from "./arguments.ts";
import { exits } from "./command.ts";
import { processOutput, safeLine } from "./render.ts";
import { everywhere, verbs } from "./verbs.ts";

/** Runs a command line; resolves with its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const json = argv.slice(0, argv.indexOf("--") >= 0 ? argv.indexOf("--") : argv.length).includes("--json");
  const out = processOutput(json);
  try {
    const [name, ...rest] = argv;
    if (name === undefined || name === "help" || name === "--help" || name === "-h") {
      const { helpText } = await import("./help.ts");
      process.stdout.write(helpText(rest));
      return name === undefined ? exits.usage : exits.ok;
    }
    if (name === "--version" || name === "-V" || name === "version") {
      const { version } = await import("./version.ts");
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
      process.stdout.write(verbHelp(name, verb));
      return exits.ok;
    }
    if (args.words.length < verb.arity.min) {
      throw new Failure("usage", `holdfast ${name} takes ${verb.takes}. See holdfast ${name} --help.`);
    }
    const run = await verb.load();
    return await run({ args, out, env: process.env, cwd: process.cwd() });
  } catch (error) {
    return tell(error, json);
  }
}

/** Says what went wrong; the exit code for it. */
function tell(error: unknown, json: boolean): number {
  if (error instanceof Refused) {
    if (json) process.stdout.write(`${JSON.stringify(error.rejection)}\n`);
    process.stderr.write(`refused: ${safeLine(error.message)}\n`);
    return exits.refused;
  }
  if (error instanceof Failure) {
    const { code, message, definite, fields } = error;
    if (json) process.stdout.write(`${JSON.stringify({ code, message, definite, ...fields })}\n`);
    process.stderr.write(`holdfast: ${safeLine(message)}\n`);
    if (code === "usage") return exits.usage;
    return code === "hub.unreachable" || code === "hub.refused" ? exits.unreachable : exits.failed;
  }
  if ((error as NodeJS.ErrnoException).code === "EPIPE") return exits.ok;
  process.stderr.write(
    `holdfast: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return exits.failed;
}
