/**
 * Schemas of tools, made of the shapes of the commands and queries behind them. A model reads them with
 * every request it makes, so they are brief: what only a check needs (patterns, lengths) stays out, and is
 * checked by `compile` on the same shapes.
 */
import type { ObjectShape, OptionalShape, Shape } from "../../core/model/shape.ts";
import { toJsonSchema } from "../../core/protocol/json-schema.ts";

type Fields = ObjectShape["fields"];

/** JSON Schema of an object, as a tool shows it. */
export interface ToolSchema {
  readonly [key: string]: unknown;
  readonly type: "object";
}

/** The named fields of a shape, as they are. */
export function pick<F extends Fields, K extends keyof F & string>(
  fields: F,
  ...names: readonly K[]
): Pick<F, K> {
  return Object.fromEntries(names.map((name) => [name, fields[name]])) as Pick<F, K>;
}

/** The same field, which may be left out. */
export function mayLack(field: Shape | OptionalShape): OptionalShape {
  return field.kind === "optional" ? field : { kind: "optional", of: field };
}

/**
 * What a tool takes: the fields of all its actions, required where every action requires them, and `action`
 * itself where there are several. The first action is meant when none is named.
 */
export function inputSchema(actions: { readonly [action: string]: ObjectShape }): ToolSchema {
  const names = Object.keys(actions);
  const shapes = Object.values(actions);
  const fields: Record<string, Shape | OptionalShape> = {};
  for (const shape of shapes) {
    for (const [name, field] of Object.entries(shape.fields)) {
      const everywhere = shapes.every(
        (other) => other.fields[name] && other.fields[name].kind !== "optional",
      );
      fields[name] ??= everywhere ? field : mayLack(field);
    }
  }
  const choice: Fields =
    names.length < 2 ? {} : { action: { kind: "optional", of: { kind: "choice", values: names } } };
  return brief(toJsonSchema({ kind: "object", fields: { ...choice, ...fields } })) as ToolSchema;
}

/** What a tool answers, as far as is worth knowing; nothing is required, for a refusal has other fields. */
export function outputSchema(fields: Fields): ToolSchema {
  const loose = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, mayLack(field)]));
  const schema = brief(toJsonSchema({ kind: "object", fields: loose })) as ToolSchema;
  const { additionalProperties: _, ...open } = schema;
  return open as ToolSchema;
}

/** Keys of a schema that only a check needs. */
const ONLY_CHECKED = new Set(["pattern", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"]);

function brief(schema: unknown, depth = 0): unknown {
  if (Array.isArray(schema)) return schema.map((one) => brief(one, depth));
  if (typeof schema !== "object" || schema === null) return schema;
  const kept: [string, unknown][] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (key === "properties") {
      const inner = Object.entries(value as object).map(([name, of]) => [name, brief(of, depth + 1)]);
      kept.push([key, Object.fromEntries(inner)]);
    } else if (
      ONLY_CHECKED.has(key) ||
      isEndless(key, value) ||
      (key === "additionalProperties" && depth > 0)
    ) {
    } else kept.push([key, brief(value, depth)]);
  }
  return Object.fromEntries(kept);
}

/** A bound that says no more than that it is a number. */
function isEndless(key: string, value: unknown): boolean {
  return (key === "minimum" || key === "maximum") && Math.abs(value as number) <= 1
    ? true
    : key === "maximum" && (value as number) >= Number.MAX_SAFE_INTEGER;
}
