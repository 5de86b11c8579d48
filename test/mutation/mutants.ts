/**
 * Which small bugs can be made of a source file: each a change of a few characters at a place its syntax tree
 * names. What changes only words that people read, or drops an assertion, makes no mutant: nothing could tell.
 */
import { createHash } from "node:crypto";
import { parseAst } from "rolldown/parseAst";

/** One small bug: `text.slice(start, end)` becomes `put`. */
export interface Mutant {
  readonly file: string;
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly put: string;
  /** What was done, for people. */
  readonly what: string;
  /** The line it begins in, without its indentation. */
  readonly source: string;
  /** The same as long as its line is, wherever that stands: what draws are made by. */
  readonly id: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "&": ["|"],
  "|": ["&"],
  "&&": ["||"],
  "||": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
  "||=": ["&&="],
  "&&=": ["||="],
  "??=": ["="],
  "++": ["--"],
  "--": ["++"],
};
const METHODS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
  startsWith: "endsWith",
  endsWith: "startsWith",
  push: "unshift",
  shift: "pop",
  pop: "shift",
  add: "delete",
};
/** Calls that hand on the array they are called on when they are left out. */
const PASSING = new Set(["filter", "sort", "toSorted", "reverse", "toReversed", "slice"]);
const STATEMENTS = new Set(["ExpressionStatement", "ContinueStatement", "ThrowStatement"]);
/** The only nodes of TypeScript's own that hold code. */
const WRAPPERS = new Set(["TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression"]);

/** All mutants of a file, in order of their place. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const found: Mutant[] = [];
  const lines = text.split("\n");
  const seen = new Map<string, number>();
  const add: Add = ({ start, end }, put, what) => {
    if (text.slice(start, end) === put) return;
    const line = text.slice(0, start).split("\n").length;
    const source = (lines[line - 1] as string).trim();
    const name = [file, source, what].join("\n");
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    const id = createHash("sha256").update(`${name}\n${times}`).digest("hex").slice(0, 8);
    found.push({ file, line, start, end, put, what, source, id });
  };
  walk(parseAst(text, { lang: "ts" }, file) as unknown as Node, text, add);
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** Bodies of functions, each with a call that says it ran; `functionsOf` numbers them the same way. */
export function instrumented(text: string, functions: readonly Span[], first: number): string {
  let out = "";
  let from = 0;
  for (const [i, { start }] of functions.entries()) {
    out += `${text.slice(from, start + 1)} (globalThis as any).ran?.(${first + i});`;
    from = start + 1;
  }
  return out + text.slice(from);
}

/** A stretch of text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The bodies of a file's functions, in order of where they begin. */
export function functionsOf(file: string, text: string): Span[] {
  const found: Span[] = [];
  const visit = (node: Node): void => {
    if (isNode(node.body) && node.body.type === "BlockStatement" && /Function/.test(node.type)) {
      found.push(node.body);
    }
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child);
    }
  };
  visit(parseAst(text, { lang: "ts" }, file) as unknown as Node);
  return found.sort((a, b) => a.start - b.start);
}

/** All of them in the order in which a seed draws them: changes elsewhere leave the order as it is. */
export function drawn(mutants: readonly Mutant[], seed: number): Mutant[] {
  const place = ({ id }: Mutant) => createHash("sha256").update(`${seed} ${id}`).digest("hex");
  return mutants
    .map((mutant) => ({ mutant, at: place(mutant) }))
    .sort((a, b) => (a.at < b.at ? -1 : 1))
    .map(({ mutant }) => mutant);
}

/** The file with its one bug. */
export function planted(text: string, { start, end, put }: Mutant): string {
  return text.slice(0, start) + put + text.slice(end);
}

type Add = (place: { readonly start: number; readonly end: number }, put: string, what: string) => void;

function walk(node: Node, text: string, add: Add): void {
  if (node.type === "ImportDeclaration" || (node.type.startsWith("TS") && !WRAPPERS.has(node.type))) return;
  if (isWords(node, text) || isUnseen(node, text)) return;
  mutate(node, text, add);
  for (const [field, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) step(node, field, child);
  }

  function step(parent: Node, field: string, child: Node): void {
    // The name of a property is no value, and `1` in a pattern's default is one.
    if (field === "key" && parent.computed !== true) return;
    if (parent.type === "BlockStatement" || parent.type === "StaticBlock") dropStatement(child, text, add);
    walk(child, text, add);
  }
}

function mutate(node: Node, text: string, add: Add): void {
  const source = (part: unknown): string => text.slice((part as Node).start, (part as Node).end);
  switch (node.type) {
    case "BinaryExpression":
    case "LogicalExpression":
    case "AssignmentExpression":
      return mutateOperator(node, text, add);
    case "UpdateExpression": {
      const { operator } = node as unknown as { operator: string };
      const put = OPERATORS[operator]?.[0] as string;
      return add(node, source(node).replace(operator, put), `${operator} becomes ${put}`);
    }
    case "UnaryExpression":
      if (node.operator === "!") add(node, source(node.argument), "a negation is dropped");
      if (node.operator === "-") add(node, source(node.argument), "a sign is dropped");
      return;
    case "Literal":
      return mutateLiteral(node, add);
    case "IfStatement":
    case "WhileStatement":
    case "ConditionalExpression":
      return mutateCondition(node, source, add);
    case "ObjectExpression":
    case "ArrayExpression":
      return dropElements(node, text, add);
    case "CallExpression":
      return mutateCall(node, source, add);
    case "ReturnStatement":
      if (node.argument === null) add(node, ";", "an early return is dropped");
      return;
  }
}

function mutateOperator(node: Node, text: string, add: Add): void {
  const { operator, left, right } = node as unknown as { operator: string; left: Node; right: Node };
  const between = text.slice(left.end, right.start);
  const at = left.end + between.indexOf(operator);
  for (const put of OPERATORS[operator] ?? []) {
    add({ start: at, end: at + operator.length }, put, `${operator} becomes ${put}`);
  }
  if (operator !== "??") return;
  add(node, text.slice(left.start, left.end), "what stands in for nothing is dropped");
  add(node, `(${text.slice(right.start, right.end)})`, "only what stands in for nothing is left");
}

function mutateLiteral(node: Node, add: Add): void {
  const { value } = node;
  if (typeof value === "boolean") add(node, String(!value), `${value} becomes ${!value}`);
  if (typeof value === "number") add(node, String(value + 1), `${value} becomes ${value + 1}`);
}

function mutateCondition(node: Node, source: (part: unknown) => string, add: Add): void {
  const { test, consequent, alternate } = node as unknown as Record<string, Node>;
  if (test === undefined) return;
  add(test, `!(${source(test)})`, "a condition is negated");
  if (node.type === "ConditionalExpression") {
    add(node, `(${source(consequent)})`, "a choice is always the first");
    add(node, `(${source(alternate)})`, "a choice is always the second");
  } else add(test, "false", "a condition never holds");
  if (node.type === "IfStatement" && alternate) add(alternate, "{}", "what is done else is dropped");
}

function mutateCall(node: Node, source: (part: unknown) => string, add: Add): void {
  const { callee } = node as unknown as { callee: Node };
  if (callee.type !== "MemberExpression" || callee.computed === true) return;
  const { object, property } = callee as unknown as { object: Node; property: Node };
  const name = source(property);
  const put = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (put !== undefined) add(property, put, `${name} becomes ${put}`);
  if (PASSING.has(name)) add(node, source(object), `${name} is left out`);
}

/** Fields that were spread, or may be absent; what must be there does not compile without. */
function dropElements(node: Node, text: string, add: Add): void {
  const elements = (node.properties ?? node.elements) as readonly (Node | null)[];
  for (const [i, element] of elements.entries()) {
    if (element === null || isWords(element.value ?? element, text)) continue;
    const next = elements[i + 1];
    const before = elements[i - 1];
    const start = next === undefined && before ? before.end : element.start;
    const what = element.type === "SpreadElement" ? "what is spread is dropped" : "a field is dropped";
    add({ start, end: next?.start ?? element.end }, "", what);
  }
}

function dropStatement(node: Node, text: string, add: Add): void {
  if (!STATEMENTS.has(node.type) || isUnseen(node.expression, text)) return;
  add(node, ";", "a statement is dropped");
}

/** Text with blanks between its words is for people, and so is a choice between such texts. */
function isWords(value: unknown, text: string): boolean {
  if (!isNode(value)) return false;
  const { type } = value;
  if (type === "TemplateLiteral" || (type === "Literal" && typeof value.value === "string")) {
    return /[a-z,.:;] [\w$]|\} [a-z]/i.test(text.slice(value.start, value.end));
  }
  if (type === "ConditionalExpression") {
    const empty = (side: unknown) => isNode(side) && side.type === "Literal" && side.value === "";
    const sides = [value.consequent, value.alternate];
    return (
      sides.some((side) => isWords(side, text)) && sides.every((side) => isWords(side, text) || empty(side))
    );
  }
  return false;
}

/** An assertion guards against bugs: without one of their own, nobody sees it go. */
function isUnseen(value: unknown, text: string): boolean {
  return (
    isNode(value) &&
    value.type === "CallExpression" &&
    /^assert\w*\(/.test(text.slice(value.start, value.end))
  );
}

function isNode(value: unknown): value is Node {
  return (
    typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"
  );
}
