/**
 * Programs that run another program: what that one writes is what counts.
 */
import { type Call, type Program, writeText } from "./call.ts";
import { given, has, type OptionFacts } from "./options.ts";
import { type Arg, resolved, Sink } from "./sink.ts";

/** Stands for the names that only `find` or `xargs` will know. */
const HOLE = "{}";

/** Options before the program, and how many operands of its own come first. */
interface Wrapping extends OptionFacts {
  readonly own?: number;
  /** The option that names the folder to run in. */
  readonly folder?: string;
}

function wrapping(facts: Wrapping): Program {
  return (call) => {
    const { before, rest } = parted(call.args, facts);
    const folder = facts.folder === undefined ? undefined : before.values.get(facts.folder)?.[0];
    const base = folder === undefined ? call.base : below(call, folder);
    if (rest.length > 0) call.run(rest.slice(facts.own ?? 0), base);
  };
}

/** Options up to the first operand, and everything from there. */
function parted(args: readonly Arg[], facts: OptionFacts) {
  let at = 0;
  while (at < args.length) {
    const text = args[at]?.text;
    if (text === undefined || !text.startsWith("-") || text === "-") break;
    at++;
    if (text === "--") break;
    const takesNext = text.startsWith("--")
      ? !text.includes("=") && facts.valuedLong?.includes(text.slice(2))
      : (facts.valued?.includes(text[text.length - 1] as string) && !facts.valued.includes(text[1] ?? "")) ||
        (text.length === 2 && facts.valued?.includes(text[1] as string));
    if (takesNext) at++;
  }
  return { before: given(args.slice(0, at), facts), rest: args.slice(at) };
}

function below(call: Call, folder: Arg): string | undefined {
  return folder.text === undefined || folder.pattern !== undefined
    ? undefined
    : resolved(call.base, folder.text);
}

const env: Program = (call) => {
  const facts: Wrapping = {
    valued: "uCS",
    valuedLong: ["unset", "chdir", "split-string"],
  };
  const { before, rest } = parted(call.args, facts);
  const split = before.values.get("-S") ?? before.values.get("--split-string");
  if (split !== undefined) return call.sink.unsure();
  const folder = (before.values.get("-C") ?? before.values.get("--chdir"))?.[0];
  const program = rest.findIndex(({ text }) => text === undefined || !/^[A-Za-z_]\w*=/.test(text));
  if (program < 0) return;
  call.run(rest.slice(program), folder === undefined ? call.base : below(call, folder));
};

/** A shell: of a text, of a here-document, or of a file that nobody may read here. */
const shell: Program = (call) => {
  const { before, rest } = parted(call.args, { valued: "oO" });
  const isText = [...before.flags].some((flag) => /^-[a-z]*c$/.test(flag));
  if (has(before, ["--version", "--help"])) return;
  if (isText) {
    const [text] = rest;
    if (text?.text === undefined) call.sink.unsure();
    else call.source(text.text);
  } else if (rest.length === 0 && call.body !== undefined) call.source(call.body);
  else call.sink.unsure();
};

const evaluate: Program = (call) => {
  const texts = call.args.map(({ text }) => text);
  if (texts.some((text) => text === undefined)) call.sink.unsure();
  else call.source(texts.join(" "));
};

/** Only the names come from elsewhere: a program that writes none of them is as certain as ever. */
const xargs: Program = (call) => {
  const { before, rest } = parted(call.args, {
    valued: "aEIJLlnPRsdi",
    valuedLong: ["arg-file", "delimiter", "max-args", "max-procs", "max-lines", "replace"],
  });
  const mark = (before.values.get("-I") ?? before.values.get("-J"))?.[0]?.text;
  const command: readonly Arg[] =
    mark === undefined || mark === ""
      ? [...rest, { text: HOLE }]
      : rest.map((arg) => (arg.text?.includes(mark) ? { text: arg.text.replaceAll(mark, HOLE) } : arg));
  if (rest.length > 0 && writesHole(call, command)) call.sink.unsure();
};

/** Runs a command with a hole in it; tells whether it writes there, and notes whatever else it writes. */
function writesHole(call: Call, command: readonly Arg[]): boolean {
  const inner = new Sink();
  const isHole = (path: string) => path.includes(HOLE) || path.includes("[{]}");
  call.run(command, call.base, inner);
  const writes = inner.result();
  call.sink.take({
    ...writes,
    paths: writes.paths.filter((path) => !isHole(path)),
    trees: writes.trees.filter((path) => !isHole(path)),
    patterns: writes.patterns.filter((path) => !isHole(path)),
  });
  return [...writes.paths, ...writes.patterns].some(isHole);
}

const FIND_WRITES = ["-fprint", "-fprint0", "-fprintf", "-fls"];

const find: Program = (call) => {
  const start = call.args.findIndex(({ text }) => text === undefined || /^[-(!\\]/.test(text));
  const roots = start < 0 ? call.args : call.args.slice(0, start);
  const tests = start < 0 ? [] : call.args.slice(start);
  let isWriting = tests.some(({ text }) => text === "-delete");
  for (let i = 0; i < tests.length; i++) {
    const text = tests[i]?.text;
    if (text === undefined || FIND_WRITES.includes(text)) call.sink.unsure();
    if (text === undefined || !/^-(?:exec|execdir|ok|okdir)$/.test(text)) continue;
    const end = tests.findIndex((arg, at) => at > i && (arg.text === ";" || arg.text === "+"));
    const command = tests.slice(i + 1, end < 0 ? tests.length : end);
    if (command.length > 0 && writesHole(call, command)) isWriting = true;
    i = end < 0 ? tests.length : end;
  }
  if (isWriting) found(call, roots.length === 0 ? [{ text: "." }] : roots, tests);
};

/** What `find` finds: everything below, or the names it looks for. Other tests only make it less. */
function found(call: Call, roots: readonly Arg[], tests: readonly Arg[]): void {
  const names = tests.flatMap((arg, i) => {
    const isNamed = arg.text === "-name" || arg.text === "-iname";
    const isNot = tests[i - 1]?.text === "!" || tests[i - 1]?.text === "-not";
    return isNamed && !isNot ? [tests[i + 1]?.text] : [];
  });
  const isPlain = names.length > 0 && !tests.some(({ text }) => text === "-o" || text === "-or");
  for (const root of roots) {
    if (root.text === undefined || root.pattern !== undefined) call.sink.unsure();
    else if (!isPlain) writeText(call, root.text, true);
    else
      for (const name of names) {
        if (name === undefined || /[{\\]/.test(name)) call.sink.unsure();
        else call.sink.glob(call.base, `${root.text.replace(/[*?[{]/g, "[$&]")}/**/${name}`);
      }
  }
}

/** Package runners: `npx prettier --write .`; and what adding a package writes. */
function packages(adding: readonly string[], running: readonly string[], files: readonly string[]): Program {
  return (call) => {
    const { rest } = parted(call.args, {
      valued: "CwFp",
      valuedLong: ["prefix", "workspace", "filter", "package"],
    });
    const [sub, ...words] = rest;
    if (sub?.text === undefined) return call.sink.unsure();
    if (running.includes(sub.text)) {
      const { rest: command } = parted(words, { valued: "pw", valuedLong: ["package", "workspace"] });
      return call.run(command, call.base);
    }
    call.sink.unsure();
    if (adding.includes(sub.text) && words.some(({ text }) => text === undefined || !text.startsWith("-")))
      for (const file of files) writeText(call, file);
  };
}

const npx: Program = (call) => {
  const { rest } = parted(call.args, { valued: "pcw", valuedLong: ["package", "call", "workspace"] });
  if (rest.length > 0) call.run(rest.map(versionless), call.base);
};

function versionless(arg: Arg, i: number): Arg {
  if (i > 0 || arg.text === undefined) return arg;
  // `prettier@3`, `@biomejs/biome@2`: the program is the last part without its version.
  const name = arg.text.replace(/(.)@[^/]*$/, "$1");
  return { text: name.split("/").pop() ?? name };
}

const ADDING = ["add", "remove", "rm", "uninstall", "un", "update", "up", "upgrade", "install", "i"];

/** These programs by name. */
export const runners: { readonly [program: string]: Program } = {
  sudo: wrapping({ valued: "ugpCDhRrtT", valuedLong: ["user", "group", "chdir"], folder: "-D" }),
  doas: wrapping({ valued: "uC" }),
  env,
  command: (call) => (/^-[vV]$/.test(call.args[0]?.text ?? "") ? undefined : wrapping({})(call)),
  builtin: wrapping({}),
  exec: wrapping({ valued: "a" }),
  nohup: wrapping({}),
  time: wrapping({ valued: "fo" }),
  timeout: wrapping({ valued: "ks", valuedLong: ["kill-after", "signal"], own: 1 }),
  gtimeout: wrapping({ valued: "ks", own: 1 }),
  nice: wrapping({ valued: "n" }),
  ionice: wrapping({ valued: "cnp" }),
  stdbuf: wrapping({ valued: "ioe" }),
  setsid: wrapping({}),
  unbuffer: wrapping({}),
  caffeinate: wrapping({ valued: "tw" }),
  bash: shell,
  sh: shell,
  zsh: shell,
  dash: shell,
  ksh: shell,
  eval: evaluate,
  xargs,
  gxargs: xargs,
  find,
  gfind: find,
  npx,
  bunx: npx,
  pnpx: npx,
  uvx: npx,
  npm: packages(ADDING, ["exec", "x"], ["package.json", "package-lock.json"]),
  pnpm: packages(ADDING, ["exec", "dlx"], ["package.json", "pnpm-lock.yaml"]),
  yarn: packages(ADDING, ["exec", "dlx"], ["package.json", "yarn.lock"]),
  uv: packages(["add", "remove"], ["run"], ["pyproject.toml", "uv.lock"]),
  poetry: packages(["add", "remove"], ["run"], ["pyproject.toml", "poetry.lock"]),
  pipenv: packages(["install", "uninstall"], ["run"], ["Pipfile", "Pipfile.lock"]),
  bundle: packages(["add", "remove"], ["exec"], ["Gemfile", "Gemfile.lock"]),
};
