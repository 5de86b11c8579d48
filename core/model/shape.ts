/**
 * Shapes: what a command, event or rejection looks like, as plain data.
 *
 * A shape is nothing but a literal object, so a noun's file can hold its schemas without loading a
 * validator. `protocol/schema.ts` compiles shapes to checks and to JSON Schema where input is checked; the
 * types of the program are derived from the same literals by `Of`.
 */

/** What a string must be besides its length. */
export type Format =
  /** Client-chosen id: 1 to 200 characters, NFC, no control characters, no blanks at the ends. */
  | "id"
  /** Name of an agent: an id that is not reserved (AG5). */
  | "name"
  /** A path or file relative to a worktree root, before normalisation. */
  | "path"
  /** A path pattern, before normalisation. */
  | "pattern"
  /** One line for people: no control characters. */
  | "line"
  /** Any well-formed text. */
  | "text"
  /** A submission id: printable, 1 to 200 characters. */
  | "token";

export interface StringShape {
  readonly kind: "string";
  readonly format: Format;
  readonly min: number;
  /** In UTF-16 code units, or in bytes of UTF-8 when `bytes` is set. */
  readonly max: number;
  readonly bytes?: true;
  readonly doc?: string;
}
export interface IntegerShape {
  readonly kind: "integer";
  readonly min: number;
  readonly max: number;
  readonly doc?: string;
}
export interface BooleanShape {
  readonly kind: "boolean";
  readonly doc?: string;
}
export interface ChoiceShape {
  readonly kind: "choice";
  readonly values: readonly string[];
  /** Also any `x-…` of at most 64 characters. */
  readonly open?: true;
  readonly doc?: string;
}
export interface ListShape {
  readonly kind: "list";
  readonly of: Shape;
  readonly min: number;
  readonly max: number;
  readonly doc?: string;
}
export interface ObjectShape {
  readonly kind: "object";
  readonly fields: { readonly [name: string]: Shape | OptionalShape };
  readonly doc?: string;
}
/** A free-form JSON object, bounded in keys, depth and bytes. */
export interface FreeShape {
  readonly kind: "free";
  readonly bytesMax: number;
  readonly doc?: string;
}
export interface UnionShape {
  readonly kind: "union";
  readonly of: readonly Shape[];
  readonly doc?: string;
}
export interface OptionalShape {
  readonly kind: "optional";
  readonly of: Shape;
}
export type Shape =
  | StringShape
  | IntegerShape
  | BooleanShape
  | ChoiceShape
  | ListShape
  | ObjectShape
  | FreeShape
  | UnionShape;

/** A JSON value as it travels. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The TypeScript type of the values a shape admits. */
export type Of<S> = S extends { kind: "string" }
  ? string
  : S extends { kind: "integer" }
    ? number
    : S extends { kind: "boolean" }
      ? boolean
      : S extends { kind: "choice"; values: readonly (infer V)[]; open: true }
        ? V | `x-${string}`
        : S extends { kind: "choice"; values: readonly (infer V)[] }
          ? V
          : S extends { kind: "list"; of: infer I }
            ? readonly Of<I>[]
            : S extends { kind: "object"; fields: infer F }
              ? Fields<F>
              : S extends { kind: "free" }
                ? { readonly [key: string]: Json }
                : S extends { kind: "union"; of: readonly (infer U)[] }
                  ? U extends unknown
                    ? Of<U>
                    : never
                  : never;

type OptionalKeys<F> = { [K in keyof F]: F[K] extends { kind: "optional" } ? K : never }[keyof F];
type Flat<T> = { [K in keyof T]: T[K] };
/** The type of an object with these fields. */
export type Fields<F> = Flat<
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Of<F[K]> } & {
    readonly [K in OptionalKeys<F>]?: F[K] extends { kind: "optional"; of: infer S } ? Of<S> : never;
  }
>;

/** Named things (commands, events), each with its fields. */
export interface Shapes {
  readonly [type: string]: ObjectShape;
}
/** The union of `{type, …fields}` that a table of shapes describes. */
export type Typed<T extends Shapes> = {
  [K in keyof T & string]: { readonly type: K } & Of<T[K]>;
}[keyof T & string];

/** A string of `min` to `max` code units. */
export function string<const F extends Format>(format: F, max: number, min = 1) {
  return { kind: "string", format, min, max } as const;
}
/** A string bounded in bytes of UTF-8. */
export function bytes<const F extends Format>(format: F, max: number, min = 0) {
  return { kind: "string", format, min, max, bytes: true } as const;
}
/** A safe integer from `min` to `max`, both included. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return { kind: "integer", min, max } as const;
}
export const boolean = { kind: "boolean" } as const;
/** One of the given words. */
export function choice<const V extends readonly string[]>(...values: V) {
  return { kind: "choice", values } as const;
}
/** One of the given words, or any `x-…`. */
export function openChoice<const V extends readonly string[]>(...values: V) {
  return { kind: "choice", values, open: true } as const;
}
/** `min` to `max` items. */
export function list<const S extends Shape>(of: S, max: number, min = 0) {
  return { kind: "list", of, min, max } as const;
}
/** An object with exactly these fields. */
export function object<const F extends ObjectShape["fields"]>(fields: F) {
  return { kind: "object", fields } as const;
}
/** A JSON object of the caller's own making. */
export function free(bytesMax: number) {
  return { kind: "free", bytesMax } as const;
}
export function union<const U extends readonly Shape[]>(...of: U) {
  return { kind: "union", of } as const;
}
export function optional<const S extends Shape>(of: S) {
  return { kind: "optional", of } as const;
}
/** The same shape with a sentence for the reference. */
export function doc<const S extends Shape>(sentence: string, shape: S): S & { readonly doc: string } {
  return { ...shape, doc: sentence };
}
