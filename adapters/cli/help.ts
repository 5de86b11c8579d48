/**
 * Help that teaches: what each verb is for, with examples.
 */
import type { Option } from "./arguments.ts";
import type { Verb } from "./command.ts";
import { everywhere } from "./options.ts";
import { styled } from "./render.ts";
import { verbs } from "./verbs.ts";

const INTRO = `holdfast: who holds which files, what the plan is, what was said; one durable log for a fleet of agents.

  holdfast init                              make the agents used in this repository work together
  holdfast claim AUTH-7 --paths src/auth     take the folder for 15 minutes (exit code 2: somebody has it)
  holdfast claims                            who holds what
  holdfast checkpoint AUTH-7 "parser done"   save where you are; the next holder gets it
  holdfast release AUTH-7 --outcome done     give it back

Commands speak to the hub of this repository if one runs (holdfast serve), else to its log directly.
`;

const OUTRO = `
Exit codes: 0 ok · 1 failure · 2 refused · 3 no hub reachable · 64 usage. Durations: 90s 15m 2h.
holdfast VERB --help tells more; holdfast help --all tells everything on one page.
`;

/** The help of everything, in short; with \`--all\` of every verb, with a verb's name of that. */
export function helpText(words: readonly string[]): string {
  const [first] = words;
  if (first === "--all" || first === "all") {
    return `${INTRO}\n${Object.entries(verbs)
      .map(([name, verb]) => verbHelp(name, verb, false))
      .join("\n")}\n${section("Every verb also takes", everywhere)}${OUTRO}`;
  }
  if (first !== undefined && Object.hasOwn(verbs, first)) return verbHelp(first, verbs[first] as Verb);
  const width = Math.max(...Object.keys(verbs).map((name) => name.length));
  const lines = Object.entries(verbs).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`);
  return `${INTRO}\n${lines.join("\n")}\n${OUTRO}`;
}

/** The help of one verb. */
export function verbHelp(name: string, verb: Verb, whole = true): string {
  const { takes, about, options, examples } = verb;
  const head = `${styled("bold", `holdfast ${name}${takes === "" ? "" : ` ${takes}`}`)}: ${about}\n`;
  const taught = examples
    .map(([command, what]) => `    ${command}${what === "" ? "" : `\n        ${what}`}`)
    .join("\n");
  return (
    head +
    (options.length === 0 ? "" : section("", options)) +
    (taught === "" ? "" : `  for example\n${taught}\n`) +
    (whole ? section("everywhere", everywhere) : "")
  );
}

function section(title: string, options: readonly Option[]): string {
  const named = options.map((option) => [optionName(option), option.about] as const);
  const width = Math.max(...named.map(([name]) => name.length));
  const lines = named.map(([name, about]) => `    ${name.padEnd(width)}  ${about}`).join("\n");
  return `${title === "" ? "" : `  ${title}\n`}${lines}\n`;
}

function optionName({ name, kind, value, short }: Option): string {
  const dashed = `${short === undefined ? "" : `-${short}, `}--${name}`;
  return kind === "flag" ? dashed : `${dashed} ${value ?? (kind === "integer" ? "N" : "VALUE")}`;
}
