/**
 * JSON Schema (2020-12) of a shape, for OpenAPI, AsyncAPI and MCP: what a stranger's validator can hold us
 * to.
 *
 * Weaker than `compile` where JSON Schema has no words: normalization, lengths in code units or bytes,
 * brackets.
 */
import { limits } from "../limits.ts";
import type { Format, ObjectShape, Shape, StringShape } from "../model/shape.ts";

const PRINTABLE = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";
const TRIMMED = "^(?!\\s)[^\\u0000-\\u001f\\u007f-\\u009f]*(?<!\\s)$";
const UNRESERVED = "(?!(?:all|hub|system|log|state|\\*)$)(?!role:)(?![#/])";

const patterns: { readonly [F in Format]: string | undefined } = {
  id: TRIMMED,
  name: `^${UNRESERVED}${TRIMMED.slice(1, -1)}(?<!/)$`,
  path: PRINTABLE,
  pattern: PRINTABLE,
  line: PRINTABLE,
  text: undefined,
  token: PRINTABLE,
};

function ofString(shape: StringShape): object {
  const pattern = patterns[shape.format];
  // A surrogate pair is two units for us and one character for JSON Schema, and a byte is a unit at most,
  // so an
  // upper bound holds either way; the lower bound is only exact up to 1.
  return {
    type: "string",
    ...(shape.min > 0 && { minLength: 1 }),
    maxLength: shape.max,
    ...(pattern !== undefined && { pattern }),
  };
}

function ofObject(shape: ObjectShape): object {
  const properties: Record<string, object> = {};
  const required: string[] = [];
  for (const [name, field] of Object.entries(shape.fields)) {
    if (field.kind !== "optional") required.push(name);
    properties[name] = toJsonSchema(field.kind === "optional" ? field.of : field);
  }
  return {
    type: "object",
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

function bare(shape: Shape): object {
  switch (shape.kind) {
    case "string":
      return ofString(shape);
    case "integer":
      return { type: "integer", minimum: shape.min, maximum: shape.max };
    case "boolean":
      return { type: "boolean" };
    case "choice": {
      const words = { type: "string", enum: shape.values };
      if (!shape.open) return words;
      return { anyOf: [words, { type: "string", pattern: TRIMMED.replace("^", "^x-(?!$)"), maxLength: 64 }] };
    }
    case "list":
      return { type: "array", items: toJsonSchema(shape.of), minItems: shape.min, maxItems: shape.max };
    case "object":
      return ofObject(shape);
    case "free":
      return { type: "object", maxProperties: limits.keysMax };
    case "union":
      return { anyOf: shape.of.map(toJsonSchema) };
  }
}

/** The JSON Schema of a shape, without `$schema`; every value that `compile` admits is valid under it. */
export function toJsonSchema(shape: Shape): object {
  return shape.doc === undefined ? bare(shape) : { ...bare(shape), description: shape.doc };
}
