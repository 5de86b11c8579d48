/**
 * JSON files of others, changed in place: what is not changed keeps its bytes, its order and its layout.
 */

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** A file that was read: its value, or why there is none. */
export type ReadJson =
  | { readonly kind: "value"; readonly value: Json }
  /** It has comments or trailing commas, which only some programs take. */
  | { readonly kind: "commented" }
  | { readonly kind: "broken"; readonly why: string };

/** Reads a text; a byte order mark before it is passed over. */
export function readJson(text: string): ReadJson {
  const plain = text.replace(/^\uFEFF/, "");
  try {
    return { kind: "value", value: JSON.parse(plain) as Json };
  } catch (error) {
    try {
      JSON.parse(withoutComments(plain));
      return { kind: "commented" };
    } catch {
      return { kind: "broken", why: whereBroken(plain, (error as Error).message) };
    }
  }
}

/** Whether a value is an object with keys. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether two values say the same; the order of keys does not matter. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => sameJson(item as Json, b[i] as Json));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}

/** The text of a new file. */
export function newJson(value: Json): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/**
 * The text with another value: whatever is the same in both stands as it stood; what is new is laid out as
 * its neighbours are. The text must be JSON.
 */
export function rewriteJson(text: string, value: Json): string {
  const node = new Scanner(text).whole();
  const eol = /\r?\n/.exec(text)?.[0] ?? "\n";
  const unit = /^([ \t]+)\S/m.exec(text)?.[1] ?? "  ";
  return text.slice(0, node.start) + rewritten(text, node, value, { eol, unit }, "") + text.slice(node.end);
}

interface Layout {
  readonly eol: string;
  readonly unit: string;
}

interface Part {
  /** Where the white space before it begins. */
  readonly lead: number;
  /** Where it begins: its key, in an object. */
  readonly from: number;
  readonly key?: string;
  readonly node: Node;
}

interface Node {
  readonly start: number;
  readonly end: number;
  readonly value: Json;
  /** What is in it, if it holds anything; `close` is where the white space before its end begins. */
  readonly parts: readonly Part[];
  readonly close: number;
}

function rewritten(text: string, node: Node, value: Json, layout: Layout, pad: string): string {
  const raw = text.slice(node.start, node.end);
  if (sameJson(node.value, value)) return raw;
  const both =
    (isObject(node.value) && isObject(value)) || (Array.isArray(node.value) && Array.isArray(value));
  if (!both) return laidOut(value, layout, pad, true);
  const first = node.parts[0];
  const lead = first === undefined ? "" : text.slice(first.lead, first.from);
  const spread = first === undefined || lead.includes("\n");
  const inner = first === undefined ? pad + layout.unit : (/[^\n]*$/.exec(lead)?.[0] ?? "");
  const wanted = isObject(value) ? membersOf(text, node, value) : itemsOf(node, value as readonly Json[]);
  const pieces = wanted.map(({ old, key, value: item }) => {
    if (old !== undefined) {
      const head = text.slice(old.lead, old.node.start);
      return head + rewritten(text, old.node, item, layout, inner);
    }
    const name = key === undefined ? "" : `${JSON.stringify(key)}: `;
    const before = spread ? layout.eol + inner : first === node.parts.at(-1) ? " " : lead || " ";
    return before + name + laidOut(item, layout, inner, spread);
  });
  const [open, close] = isObject(value) ? ["{", "}"] : ["[", "]"];
  if (pieces.length === 0) return open + close;
  const tail = first === undefined ? layout.eol + pad : text.slice(node.close, node.end - 1);
  return open + pieces.join(",") + tail + close;
}

interface Wanted {
  readonly old?: Part;
  readonly key?: string;
  readonly value: Json;
}

/** Members that stay, in their order, then the new ones. Of a key that stands twice the last counts. */
function membersOf(_text: string, node: Node, value: JsonObject): readonly Wanted[] {
  const last = new Map(node.parts.map((part) => [part.key as string, part]));
  const stay = [...last].filter(([key]) => Object.hasOwn(value, key));
  const fresh = Object.keys(value).filter((key) => !last.has(key));
  return [
    ...stay.map(([key, old]) => ({ old, value: value[key] as Json })),
    ...fresh.map((key) => ({ key, value: value[key] as Json })),
  ];
}

/** Items that are the same as one that stands further on keep that one's text. */
function itemsOf(node: Node, value: readonly Json[]): readonly Wanted[] {
  let from = 0;
  return value.map((item) => {
    const at = node.parts.findIndex((part, i) => i >= from && sameJson(part.node.value, item));
    if (at < 0) return { value: item };
    from = at + 1;
    return { old: node.parts[at] as Part, value: item };
  });
}

/** A new value, on lines of its own or on one. */
function laidOut(value: Json, { eol, unit }: Layout, pad: string, spread: boolean): string {
  if (!spread) return JSON.stringify(value);
  return JSON.stringify(value, null, unit).replaceAll("\n", eol + pad);
}

/** Finds where each value stands in a text that is known to be JSON. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Node {
    this.#space();
    return this.#node();
  }

  #space(): number {
    const from = this.#at;
    while (/[\s\uFEFF]/.test(this.#text[this.#at] ?? "")) this.#at += 1;
    return from;
  }

  #node(): Node {
    const start = this.#at;
    const sign = this.#text[start];
    if (sign === "{" || sign === "[") return this.#container(start, sign === "{");
    const rest = this.#text.slice(start);
    const word = sign === '"' ? this.#string() : (/^[^\s,\]}]+/.exec(rest)?.[0] ?? "");
    this.#at = start + word.length;
    return { start, end: this.#at, value: JSON.parse(word) as Json, parts: [], close: start };
  }

  /** The text of the string that begins here. */
  #string(): string {
    let end = this.#at + 1;
    while (this.#text[end] !== '"') end += this.#text[end] === "\\" ? 2 : 1;
    return this.#text.slice(this.#at, end + 1);
  }

  #container(start: number, named: boolean): Node {
    const parts: Part[] = [];
    this.#at += 1;
    let lead = this.#space();
    while (!/[}\]]/.test(this.#text[this.#at] as string)) {
      const from = this.#at;
      let key: string | undefined;
      if (named) {
        const word = this.#string();
        key = JSON.parse(word) as string;
        this.#at += word.length;
        this.#space();
        this.#at += 1;
        this.#space();
      }
      parts.push({ lead, from, ...(key === undefined ? {} : { key }), node: this.#node() });
      lead = this.#space();
      if (this.#text[this.#at] === ",") {
        this.#at += 1;
        lead = this.#space();
      }
    }
    this.#at += 1;
    const end = this.#at;
    const value = JSON.parse(this.#text.slice(start, end)) as Json;
    return { start, end, value, parts, close: lead };
  }
}

/** Comments and trailing commas blanked out, strings left alone. */
function withoutComments(text: string): string {
  return text
    .replace(/("(?:[^"\\\n]|\\.)*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, string?: string) => string ?? " ")
    .replace(/("(?:[^"\\\n]|\\.)*")|,(\s*[}\]])/g, (_, string?: string, end?: string) => string ?? end ?? "");
}

function whereBroken(text: string, message: string): string {
  const at = /position (\d+)/.exec(message)?.[1];
  const before = text.slice(0, at === undefined ? text.length : Number(at)).split("\n");
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${message}`;
}
