/**
 * Programs that write what they are given, as data: coreutils and formatters. One line a program.
 */
import type { OptionFacts } from "./options.ts";

/** How a program writes. */
export interface Writer extends OptionFacts {
  /** The first operand must be one of these, and is not a path. */
  readonly sub?: readonly string[];
  /** It writes only with one of these options. */
  readonly needs?: readonly string[];
  /** It does not write with any of these. */
  readonly unless?: readonly string[];
  /** Operands that come first and are no paths: a mode, an expression. */
  readonly skip?: number;
  /** Folders are written with everything below: always, or with one of these options. */
  readonly tree?: true | readonly string[];
  /** It unfolds patterns itself, so that they work in quotes, too. */
  readonly isGlobbing?: true;
  /** What it writes when no path is given. */
  readonly otherwise?: string;
  /** Options whose value is written. */
  readonly outputs?: readonly string[];
  /** Files that it writes beside its operands. */
  readonly also?: readonly string[];
  /** Its operands are only read, or are no paths. */
  readonly isReading?: true;
}

const RECURSIVE = ["-r", "-R", "--recursive"] as const;
const FIX = ["--fix"] as const;
const IN_PLACE = ["-i", "--in-place"] as const;
const CHECK = ["--check", "--diff", "-c"] as const;

const formatter: Writer = { tree: true, isGlobbing: true };

/** By the program's name; several where it has several subcommands. */
export const writers: { readonly [program: string]: Writer | readonly Writer[] } = {
  rm: { tree: RECURSIVE },
  unlink: {},
  shred: { valued: "ns", valuedLong: ["iterations", "size"] },
  touch: { valued: "drtA", valuedLong: ["date", "reference", "time"] },
  truncate: { valued: "sr", valuedLong: ["size", "reference"] },
  tee: {},
  sponge: {},
  chmod: { skip: 1, tree: RECURSIVE },
  mkfifo: { valued: "m" },
  dos2unix: { unless: ["-i"] },
  unix2dos: { unless: ["-i"] },
  sort: { isReading: true, outputs: ["-o", "--output"], valued: "okSTt", valuedLong: ["output"] },
  curl: {
    isReading: true,
    outputs: ["-o", "--output", "-D", "--dump-header", "-c", "--cookie-jar"],
    valued: "AbcCdDeEFhHKmoPQrtTuUwxXyYz",
    valuedLong: ["output", "header", "data", "request", "user", "dump-header", "cookie-jar", "max-time"],
  },
  yq: { needs: ["-i", "--inplace"], skip: 1, valued: "oIpP" },
  dasel: { sub: ["put", "delete"], valued: "frtvs", outputs: ["-f", "--file"], isReading: true },

  prettier: {
    ...formatter,
    needs: ["--write", "-w"],
    valuedLong: ["config", "ignore-path", "plugin", "parser", "log-level", "tab-width", "print-width"],
  },
  eslint: {
    ...formatter,
    needs: ["--fix", "-o", "--output-file"],
    otherwise: ".",
    valued: "cfo",
    valuedLong: ["config", "ext", "rule", "ignore-path", "ignore-pattern", "format", "plugin", "parser"],
    outputs: ["-o", "--output-file"],
  },
  oxlint: { ...formatter, needs: ["--fix", "--fix-suggestions"], otherwise: ".", valued: "cDAW" },
  standard: { ...formatter, needs: FIX, otherwise: "." },
  xo: { ...formatter, needs: FIX, otherwise: "." },
  stylelint: { ...formatter, needs: FIX, valuedLong: ["config", "ignore-path"] },
  markdownlint: { ...formatter, needs: ["--fix", "-f"], valued: "c" },
  "markdownlint-cli2": { ...formatter, needs: FIX },
  biome: {
    ...formatter,
    sub: ["format", "check", "lint", "ci"],
    needs: ["--write", "--fix", "--apply", "--apply-unsafe"],
    otherwise: ".",
    valuedLong: ["config-path", "max-diagnostics", "only", "skip"],
  },
  dprint: { ...formatter, sub: ["fmt"], otherwise: "." },
  deno: { ...formatter, sub: ["fmt"], unless: ["--check"], otherwise: "." },
  gofmt: { ...formatter, needs: ["-w"], valued: "r" },
  gofumpt: { ...formatter, needs: ["-w"] },
  goimports: { ...formatter, needs: ["-w"], isWordy: true, valuedLong: ["local"] },
  rustfmt: { ...formatter, unless: ["--check"], valuedLong: ["edition", "config", "config-path", "emit"] },
  cargo: [
    { ...formatter, sub: ["fmt", "fix"], unless: ["--check"], otherwise: ".", isReading: true },
    { sub: ["add", "remove", "rm", "update"], isReading: true, also: ["Cargo.toml", "Cargo.lock"] },
  ],
  go: [
    { sub: ["fmt", "fix"], isReading: true, tree: true, otherwise: "." },
    { sub: ["mod", "get"], isReading: true, also: ["go.mod", "go.sum"] },
  ],
  black: {
    ...formatter,
    unless: ["--check", "--diff"],
    valued: "ltc",
    valuedLong: ["line-length", "target-version", "config", "include", "exclude", "extend-exclude"],
  },
  isort: { ...formatter, unless: ["--check", "--check-only", ...CHECK, "-d"], valued: "l" },
  autopep8: { ...formatter, needs: IN_PLACE },
  autoflake: { ...formatter, needs: IN_PLACE },
  yapf: { ...formatter, needs: IN_PLACE },
  pyupgrade: formatter,
  ruff: [
    {
      ...formatter,
      sub: ["format"],
      unless: ["--check", "--diff"],
      otherwise: ".",
      valuedLong: ["config", "line-length"],
    },
    {
      ...formatter,
      sub: ["check"],
      needs: ["--fix", "--fix-only"],
      otherwise: ".",
      valuedLong: ["config", "select", "ignore", "extend-select", "target-version"],
    },
  ],
  "clang-format": { ...formatter, needs: ["-i"], isWordy: true },
  shfmt: { ...formatter, needs: ["-w", "--write"], valued: "i" },
  stylua: { ...formatter, unless: CHECK },
  terraform: { ...formatter, sub: ["fmt"], unless: ["-check"], isWordy: true, otherwise: "." },
  tofu: { ...formatter, sub: ["fmt"], unless: ["-check"], isWordy: true, otherwise: "." },
  zig: { ...formatter, sub: ["fmt"], unless: ["--check"] },
  mix: { ...formatter, sub: ["format"], unless: ["--check-formatted"], otherwise: "." },
  dart: { ...formatter, sub: ["format", "fix"], unless: ["--dry-run"], valued: "ol" },
  swiftformat: { ...formatter, unless: ["--lint"] },
  "swift-format": { ...formatter, needs: IN_PLACE },
  ktlint: { ...formatter, needs: ["-F", "--format"], otherwise: "." },
  rubocop: {
    ...formatter,
    needs: ["-a", "-A", "-x", "--autocorrect", "--autocorrect-all", "--auto-correct", "--fix-layout"],
    otherwise: ".",
    valuedLong: ["only", "except", "config"],
  },
  nixfmt: { ...formatter, unless: CHECK },
  alejandra: { ...formatter, unless: CHECK },
  taplo: { ...formatter, sub: ["fmt", "format"], unless: ["--check"], otherwise: "." },
  buf: { ...formatter, sub: ["format"], needs: ["-w", "--write"], otherwise: "." },
  sqlfluff: { ...formatter, sub: ["fix", "format"] },
  djlint: { ...formatter, needs: ["--reformat"] },
  "php-cs-fixer": { ...formatter, sub: ["fix"], unless: ["--dry-run"], otherwise: "." },
  pint: { ...formatter, unless: ["--test"], otherwise: "." },
  "google-java-format": { ...formatter, needs: ["-i", "-r", "--replace"] },
};

/**
 * Programs that write no file, whatever they are given, with everything that a shell itself does to its
 * own state.
 */
export const readers: ReadonlySet<string> = new Set(
  (
    ": [ [[ (( alias arch b2sum base32 base64 basename bat bc bg break builtin cal cat cd cksum cloc cmp column comm " +
    "complete continue cut date declare df diff diff3 difft dig dir dirs dirname du echo egrep exa exit export " +
    "expand expr eza factor false fc fg fgrep file fmt fold free getconf getopts grep groups hash head hexdump " +
    "history host hostname id ifconfig ip jobs join jq kill less let local ls lscpu lsof md5 md5sum mkdir " +
    "more netstat nl nproc nslookup numfmt od paste pgrep ping pkill popd pr printenv printf ps pstree pushd pwd " +
    "read readlink readonly realpath return rev rg rmdir scc seq set sha1sum sha256sum sha512sum shasum shift " +
    "shopt sleep ss stat strings sum sync tac tail test time timeout times tokei top tr tree true tsort tty type " +
    "typeset ulimit umask uname unalias uniq unset uptime users vmstat w wait wc which who whoami xxd yes zcat " +
    "zgrep holdfast"
  ).split(" "),
);
