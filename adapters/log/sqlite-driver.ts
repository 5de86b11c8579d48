/**
 * SQLite as this process has it: better-sqlite3 below Node 24, the built-in `node:sqlite` from there on.
 *
 * Statements are prepared once and kept, rows are fetched by `all`: better-sqlite3 12 crashes newer
 * runtimes when a statement is collected, and iterating row by row is half as fast.
 */
import { createRequire } from "node:module";
import type Database from "better-sqlite3";

export type SqlValue = number | string | Uint8Array | null;
export type SqlRow = { readonly [column: string]: unknown };

export interface Statement {
  run(...values: readonly SqlValue[]): void;
  get(...values: readonly SqlValue[]): SqlRow | undefined;
  all(...values: readonly SqlValue[]): readonly SqlRow[];
}

/** One connection. Everything is synchronous and throws what `troubleOf` can name. */
export interface Driver {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export type OpenDriver = (file: string, options: { readonly readOnly: boolean }) => Promise<Driver>;

/** What went wrong, as far as a log must tell apart. */
export type Trouble =
  | "busy"
  | "full"
  | "read-only"
  | "io"
  | "corrupt"
  | "not-a-database"
  | "cannot-open"
  | "other";

// All that is asked of a log was tried: what SQLite then cannot make sense of (1, 24) is its file.
const troubles: { readonly [primaryCode: number]: Trouble } = {
  1: "corrupt",
  5: "busy",
  6: "busy",
  8: "read-only",
  10: "io",
  11: "corrupt",
  13: "full",
  14: "cannot-open",
  24: "corrupt",
  26: "not-a-database",
};

const codes: { readonly [name: string]: number } = {
  ERROR: 1,
  BUSY: 5,
  LOCKED: 6,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  FORMAT: 24,
  NOTADB: 26,
};

/** What the system complains of when files are written beside the database. */
const systemTroubles: { readonly [code: string]: Trouble } = {
  EIO: "io",
  ENOSPC: "full",
  EDQUOT: "full",
  EROFS: "read-only",
  EACCES: "read-only",
  EPERM: "read-only",
  EMFILE: "cannot-open",
  ENFILE: "cannot-open",
};

/** Names what SQLite, or the system, complains of; `other` for every other error. */
export function troubleOf(error: unknown): Trouble {
  if (typeof error !== "object" || error === null) return "other";
  const { code, errcode, syscall } = error as { code?: unknown; errcode?: unknown; syscall?: unknown };
  if (typeof syscall === "string") return systemTroubles[String(code)] ?? "io";
  if (typeof errcode === "number") return troubles[errcode & 0xff] ?? "other";
  if (typeof code !== "string" || !code.startsWith("SQLITE_")) return "other";
  return troubles[codes[code.split("_")[1] as string] ?? 0] ?? "other";
}

interface BuiltIn {
  readonly DatabaseSync: new (file: string, options: { readOnly: boolean }) => Driver;
}

async function openBuiltIn(file: string, readOnly: boolean): Promise<Driver> {
  const load = (process as unknown as { getBuiltinModule(name: string): unknown }).getBuiltinModule;
  const { DatabaseSync } = load.call(process, "node:sqlite") as BuiltIn;
  return new DatabaseSync(file, { readOnly });
}

let binding: string | undefined;

/**
 * Where the library is compiled to as a rule; looking for it elsewhere takes it longer than all the rest.
 */
function findBinding(): string | undefined {
  if (binding !== undefined) return binding;
  try {
    binding = createRequire(import.meta.url).resolve("better-sqlite3/build/Release/better_sqlite3.node");
  } catch {
    return undefined;
  }
  return binding;
}

async function openBetter(file: string, readOnly: boolean): Promise<Driver> {
  const { default: Better } = (await import("better-sqlite3")) as { default: typeof Database };
  const nativeBinding = findBinding();
  const found = nativeBinding === undefined ? {} : { nativeBinding };
  const db = new Better(file, { readonly: readOnly, timeout: 0, ...found });
  return {
    exec: (sql) => {
      db.exec(sql);
    },
    prepare: (sql) => db.prepare(sql) as unknown as Statement,
    close: () => {
      db.close();
    },
  };
}

/** Opens a connection; makes the file when it is missing, unless `readOnly`. */
export const openDriver: OpenDriver = (file, { readOnly }) =>
  Number.parseInt(process.versions.node, 10) >= 24 ? openBuiltIn(file, readOnly) : openBetter(file, readOnly);
