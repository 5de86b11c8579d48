/**
 * Programs that are given a program: stream editors, whose edit in place is known, and interpreters, of
 * whose code only the plainest writes are seen.
 */
import { type Call, type Program, writeAll, writeText } from "./call.ts";
import { given, has } from "./options.ts";
import type { Arg } from "./sink.ts";

/** `w FILE` and `s/…/…/w FILE` of sed, and `e`, which runs a command. */
const SED_WRITES = /(?:^|[;{}\s/|#,!\d$])[wW]\s+\S|(?:^|[;{}\s])e\s/;

const sed: Program = (call) => {
  const args = withoutSuffix(call.args);
  const found = given(args, {
    attached: "i",
    valued: "efl",
    valuedLong: ["expression", "file", "line-length"],
  });
  if (args.some(({ text }) => text === undefined)) call.sink.unsure();
  const named = [...(found.values.get("-e") ?? []), ...(found.values.get("--expression") ?? [])];
  const isScripted = named.length > 0 || has(found, ["-f", "--file"]);
  const scripts = isScripted ? named : found.operands.slice(0, 1);
  if (scripts.some(({ text }) => text === undefined || SED_WRITES.test(text))) call.sink.unsure();
  if (has(found, ["-f", "--file"])) call.sink.unsure();
  if (!has(found, ["-i", "--in-place"])) return;
  const files = isScripted ? found.operands : found.operands.slice(1);
  writeAll(call, files);
  const suffix = (found.values.get("-i") ?? found.values.get("--in-place"))?.[0]?.text;
  if (suffix !== undefined && suffix !== "") backups(call, files, suffix);
};

/** BSD's sed wants the suffix of `-i` as a word of its own, commonly empty. */
function withoutSuffix(args: readonly Arg[]): readonly Arg[] {
  const at = args.findIndex(({ text }) => text !== undefined && /^-[a-zA-Z]*i$/.test(text));
  const suffix = args[at + 1]?.text;
  const isSuffix = at >= 0 && suffix !== undefined && (suffix === "" || /^\.[\w~-]{1,16}$/.test(suffix));
  if (!isSuffix) return args;
  return [...args.slice(0, at), { text: `${args[at]?.text}${suffix}` }, ...args.slice(at + 2)];
}

function backups(call: Call, files: readonly Arg[], suffix: string): void {
  for (const file of files) {
    if (file.text === undefined || file.pattern !== undefined) call.sink.unsure();
    else writeText(call, suffix.includes("*") ? suffix.replaceAll("*", file.text) : `${file.text}${suffix}`);
  }
}

/** Code that may do more than change the lines it is given. */
const REACHES_OUT = /\b(?:open|system|exec|unlink|rename|mkdir|qx|require|fork|spawn|popen)\b|`/;

const perl: Program = (call) => {
  const found = given(call.args, { attached: call.name === "ruby" ? "iFrWKx" : "iFDMm", valued: "eEI" });
  const code = [...(found.values.get("-e") ?? []), ...(found.values.get("-E") ?? [])];
  if (!has(found, ["-i"])) return code.length === 0 && has(found, ["-v"]) ? undefined : coded(call, code);
  if (code.some(({ text }) => text === undefined || REACHES_OUT.test(text))) call.sink.unsure();
  const files = code.length === 0 ? found.operands.slice(1) : found.operands;
  if (code.length === 0) call.sink.unsure();
  writeAll(call, files);
  const suffix = found.values.get("-i")?.[0]?.text;
  // `-i` swallows the letters behind it: `-ie` makes backups that end with `e`.
  if (suffix !== undefined) backups(call, files, suffix);
};

const awk: Program = (call) => {
  const found = given(call.args, { valued: "fFviEl", valuedLong: ["file", "include", "assign"] });
  const isFile = has(found, ["-f", "--file", "-E"]);
  const code = isFile ? undefined : found.operands[0];
  if (code?.text === undefined || /[>|]|system\s*\(/.test(code.text)) call.sink.unsure();
  const loaded = [...(found.values.get("-i") ?? []), ...(found.values.get("--include") ?? [])];
  if (loaded.some(({ text }) => text === "inplace"))
    writeAll(call, isFile ? found.operands : found.operands.slice(1));
};

/** Code in a word or a here-document: what it plainly says it writes; it may write more. */
const interpret: Program = (call) => {
  const asked = call.args[0]?.text ?? "";
  if (call.args.length === 1 && /^(?:-v|-V|--version|--help|-h)$/.test(asked)) return;
  const module = call.args.findIndex(({ text }) => text === "-m");
  if (module >= 0 && call.name.startsWith("python")) return call.run(call.args.slice(module + 1), call.base);
  const found = given(call.args, { valued: "cep", valuedLong: ["eval", "print"] });
  const named = ["-c", "-e", "-p", "--eval", "--print"];
  coded(call, [...named.flatMap((name) => found.values.get(name) ?? []), { text: call.body ?? "" }]);
};

const PLAIN_WRITES: readonly RegExp[] = [
  /\bopen\(\s*[rbu]?(["'])([^"'\n]{1,400}?)\1\s*,\s*(?:mode\s*=\s*)?["'][rbt]*[wax+]/g,
  /\bPath\(\s*[rbu]?(["'])([^"'\n]{1,400}?)\1\s*\)\s*\.\s*(?:write_text|write_bytes|unlink|touch|rename)\b/g,
  /\b(?:writeFile|appendFile|unlink|rm|truncate)(?:Sync)?\(\s*(["'`])([^"'`\n]{1,400}?)\1/g,
  /\b(?:os\.remove|os\.unlink|shutil\.rmtree|File\.write|File\.delete)\(\s*(["'])([^"'\n]{1,400}?)\1/g,
];

function coded(call: Call, code: readonly Arg[]): void {
  call.sink.unsure();
  for (const { text } of code) {
    if (text === undefined) continue;
    for (const pattern of PLAIN_WRITES)
      for (const found of text.matchAll(pattern)) {
        const path = found[2] as string;
        // Text with something to fill in is no path.
        if (!/[{}$\\]/.test(path)) writeText(call, path);
      }
  }
}

/** These programs by name. */
export const scripts: { readonly [program: string]: Program } = {
  sed,
  gsed: sed,
  perl,
  awk,
  gawk: awk,
  mawk: awk,
  nawk: awk,
  python: interpret,
  python2: interpret,
  python3: interpret,
  node: interpret,
  ruby: perl,
  php: interpret,
  bun: interpret,
};
