/**
 * Reference: writes PROTOCOL.md from the tables that the program itself checks with, so that it cannot be
 * wrong.
 */
import type { ObjectShape, OptionalShape, Shape } from "../model/shape.ts";
import type { Refusal } from "../model/slice.ts";
import { submissionFields } from "./methods.ts";
import { guide } from "./reference-guide.ts";

/** Everything that travels, by name. */
interface Questions {
  readonly [method: string]: { readonly params: ObjectShape; readonly doc: string };
}

export interface ReferenceTables {
  /** Methods of sessions and hosts (methods.ts). */
  readonly session: { readonly [method: string]: ObjectShape };
  readonly commands: { readonly [method: string]: ObjectShape };
  readonly queries: Questions;
  /** Questions about the past. */
  readonly pasts: Questions;
  readonly events: { readonly [type: string]: ObjectShape };
  readonly rejections: { readonly [code: string]: Refusal };
}

/** What each limit a client can meet bounds. */
const limitWords: { readonly [name: string]: string } = {
  frameBytes: "bytes of a frame, and of a reply",
  nesting: "depth of lists and objects in a frame, the message itself being 1",
  keys: "keys of an object",
  batch: "messages of a batch",
  id: "characters of an id or name",
  paths: "files and patterns of a claim",
  path: "characters of a path or pattern",
  claims: "claims an agent may hold or wait for",
  bodyBytes: "bytes of a message's body",
  checkpointBytes: "bytes of a checkpoint's text",
  inFlight: "requests of a session that are not answered yet",
};

function quantity(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

function size(bytes: number): string {
  if (bytes >= 1024 && bytes % 1024 === 0) return `${quantity(bytes / 1024)} KiB`;
  return `${quantity(bytes)} bytes`;
}

function range(min: number, max: number): string {
  if (max === Number.MAX_SAFE_INTEGER) return `≥ ${quantity(min)}`;
  return `${quantity(min)} to ${quantity(max)}`;
}

function fieldsOf(shape: ObjectShape): string {
  const fields = Object.entries(shape.fields).map(([name, field]) =>
    field.kind === "optional" ? `${name}?: ${typeOf(field.of)}` : `${name}: ${typeOf(field)}`,
  );
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

/** A shape in one line, in the notation the guide explains. */
function typeOf(shape: Shape): string {
  switch (shape.kind) {
    case "string":
      return shape.bytes ? `${shape.format}(${size(shape.max)})` : `${shape.format}(${quantity(shape.max)})`;
    case "integer":
      return `integer(${range(shape.min, shape.max)})`;
    case "boolean":
      return "boolean";
    case "choice":
      return [...shape.values.map((word) => `"${word}"`), ...(shape.open ? ['"x-…"'] : [])].join(" | ");
    case "list": {
      const item = typeOf(shape.of);
      const bound =
        shape.min > 0 ? `${shape.min} to ${quantity(shape.max)}` : `at most ${quantity(shape.max)}`;
      return `[${item}](${bound})`;
    }
    case "object":
      return fieldsOf(shape);
    case "free":
      return `object(${size(shape.bytesMax)})`;
    case "union":
      return shape.of.map(typeOf).join(" | ");
  }
}

function fieldLine(name: string, field: Shape | OptionalShape): string {
  const shape = field.kind === "optional" ? field.of : field;
  const needed = field.kind === "optional" ? "" : ", required";
  const words = shape.doc === undefined ? "" : `. ${shape.doc}`;
  return `- \`${name}\`: \`${typeOf(shape)}\`${needed}${words}`;
}

function section(name: string, doc: string | undefined, fields: ObjectShape["fields"]): string {
  const lines = Object.entries(fields).map(([field, shape]) => fieldLine(field, shape));
  const text = [`### \`${name}\``, "", doc ?? "", ""];
  return [...text, ...(lines.length === 0 ? ["No fields."] : lines), ""].join("\n");
}

function sections(shapes: { readonly [name: string]: ObjectShape }): string {
  return Object.entries(shapes)
    .map(([name, shape]) => section(name, shape.doc, shape.fields))
    .join("\n");
}

function chapter(title: string, words: string, body: string): string {
  return `## ${title}\n\n${words}\n\n${body}`;
}

function limitTable(limits: { readonly [name: string]: number }): string {
  const rows = Object.entries(limits).map(
    ([name, value]) => `| \`${name}\` | ${quantity(value)} | ${limitWords[name] ?? ""} |`,
  );
  return ["| limit | value | bounds |", "|---|--:|---|", ...rows, ""].join("\n");
}

/** PROTOCOL.md as text. `limits` are those that `session.open` publishes. */
export function protocolReference(
  tables: ReferenceTables,
  limits: { readonly [name: string]: number },
): string {
  const questions = (all: Questions) =>
    Object.entries(all)
      .map(([name, { doc, params }]) => section(name, doc, params.fields))
      .join("\n");
  const rejections = Object.entries(tables.rejections)
    .map(([code, refusal]) => section(code, refusal.doc, refusal.fields))
    .join("\n");
  const common = Object.entries(submissionFields).map(([name, field]) => fieldLine(name, field));
  return [
    guide(tables.rejections["claim.held"]),
    chapter(
      "Limits",
      "`session.open` tells these in `limits`. What is larger is refused, never cut.",
      limitTable(limits),
    ),
    chapter(
      "Methods of the session",
      "Answered by the hub itself; nothing here is a command.",
      sections(tables.session),
    ),
    chapter(
      "Commands",
      `Each appends at most one entry. Besides its own fields every command takes:\n\n${common.join("\n")}`,
      sections(tables.commands),
    ),
    chapter("Queries", "Each reads the newest state and changes nothing.", questions(tables.queries)),
    chapter(
      "The past",
      "Answered from the log, beside everything else; at most one at a time on a connection.",
      questions(tables.pasts),
    ),
    chapter(
      "Events",
      "What `events` of an entry can hold; each also has its `type`. A type you do not know is from a newer " +
        "version: ignore it if you only watch, stop if you fold.",
      sections(tables.events),
    ),
    chapter(
      "Rejections",
      "What `data` of an error with code 1 can hold, besides `code` and `message`.",
      rejections,
    ),
  ].join("\n");
}
