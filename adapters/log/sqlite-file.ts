/**
 * One connection to a log's database: opened durable, its format checked, its statements prepared once.
 */
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Seq } from "../../core/ports/event-log.ts";
import { GENESIS, type Link, type StoredRow } from "./chain.ts";
import { pause } from "./machine.ts";
import { type Driver, type OpenDriver, type Statement, troubleOf } from "./sqlite-driver.ts";

/** `Hold` in ASCII: tells a log from any other SQLite database. */
export const APPLICATION_ID = 0x486f6c64;
/** The newest layout this program reads and the one it writes. */
export const FORMAT = 1;

// `bytes` stands last, so that reading the other columns never walks its overflow pages.
const LAYOUT = `
CREATE TABLE batch (seq INTEGER PRIMARY KEY, first INTEGER NOT NULL, hash BLOB NOT NULL,
  boot TEXT NOT NULL, mono REAL NOT NULL, wall REAL NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE horizon (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL,
  row_seq INTEGER NOT NULL, row_hash BLOB NOT NULL);
CREATE TABLE hole (after_seq INTEGER PRIMARY KEY, through_seq INTEGER NOT NULL);
CREATE TABLE mark (hub TEXT PRIMARY KEY, boot TEXT NOT NULL, mono REAL NOT NULL,
  wall REAL NOT NULL) WITHOUT ROWID;
`;

const SQL = {
  head: `SELECT max(coalesce((SELECT max(seq) FROM batch), 0), (SELECT row_seq FROM horizon),
    coalesce((SELECT max(through_seq) FROM hole), 0)) AS head`,
  tail: "SELECT seq, hash, boot, mono, wall FROM batch ORDER BY seq DESC LIMIT 1",
  before: "SELECT seq, hash FROM batch WHERE seq <= ? ORDER BY seq DESC LIMIT 1",
  holding: "SELECT seq, hash FROM batch WHERE seq >= ? ORDER BY seq LIMIT 1",
  page: `SELECT seq, first, hash, boot, mono, wall, bytes FROM batch
    WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
  insert: "INSERT INTO batch (seq, first, hash, boot, mono, wall, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)",
  horizon: "SELECT seq, row_seq, row_hash FROM horizon",
  holes: "SELECT after_seq, through_seq FROM hole ORDER BY after_seq",
} as const;

type Statements = { readonly [name in keyof typeof SQL]: Statement };

/** The one jump in seqs that an accepted loss permits. */
export interface Hole {
  readonly afterSeq: Seq;
  readonly throughSeq: Seq;
}

/** What was dropped: entries through `seq`, rows through `link`. */
export interface Horizon {
  readonly seq: Seq;
  readonly link: Link;
}

export interface FileOptions {
  readonly openDriver: OpenDriver;
  readonly readOnly: boolean;
  /** Lay out a database that is empty. */
  readonly create: boolean;
  readonly full: boolean;
  /** Pages of write-ahead log after which a commit brings them home itself. */
  readonly autocheckpoint: number;
}

/** What goes wrong while opening, reading or administering, as a failure that names the file. */
export function storageFailure(file: string, error: unknown): unknown {
  if (error instanceof Failure) return error;
  const fields = { file };
  const said = (error as Error).message;
  const make = (code: Failure["code"], message: string, more: { [field: string]: unknown } = {}): Failure =>
    new Failure(code, message, { fields: { ...fields, ...more }, cause: error });
  switch (troubleOf(error)) {
    case "not-a-database":
      return make("log.format", `${file} is not a log: ${said}. Name another file.`);
    case "corrupt":
      return make("log.damaged", `${file} is damaged: ${said}. Run verify, and restore it from a backup.`);
    case "read-only":
      return make("log.read-only", `${file} can only be read by this process. Check its owner and mode.`);
    case "full":
      return make("log.full", `No room to write ${file}. Free some disk space and try again.`, {
        retryAfterMs: limits.fullRetryMs,
      });
    case "busy":
      return make("busy", `${file} is locked by another process. Try again.`, {
        retryAfterMs: limits.fullRetryMs,
      });
    case "cannot-open":
    case "io":
      return make("log.unusable", `${file} cannot be read: ${said}. Check the disk and the file's mode.`);
    default:
      return error;
  }
}

/** An open connection. Its methods throw what SQLite throws. */
export class SqliteFile {
  readonly file: string;
  readonly driver: Driver;
  readonly #statements: Statements;
  #inTransaction = false;

  private constructor(file: string, driver: Driver) {
    this.file = file;
    this.driver = driver;
    const statements: { [name: string]: Statement } = {};
    for (const [name, sql] of Object.entries(SQL)) statements[name] = driver.prepare(sql);
    this.#statements = statements as Statements;
  }

  /** Opens and checks, waiting for whoever has it locked; throws a `Failure` that names the file. */
  static async open(file: string, options: FileOptions): Promise<SqliteFile> {
    // Changing a new file to WAL is refused at once while another process does the same: then try again.
    for (let left = limits.lockWaitMs / limits.watchMs; ; left--) {
      let driver: Driver | undefined;
      try {
        driver = await options.openDriver(file, { readOnly: options.readOnly });
        driver.exec(`PRAGMA busy_timeout = ${limits.lockWaitMs}`);
        checkFormat(file, driver, options);
        if (!options.readOnly) makeDurable(file, driver, options);
        driver.exec(`PRAGMA busy_timeout = ${limits.lockTryMs}`);
        return new SqliteFile(file, driver);
      } catch (error) {
        driver?.close();
        if (troubleOf(error) !== "busy" || left <= 0) throw storageFailure(file, error);
      }
      await pause(limits.watchMs);
    }
  }

  /** The newest seq that is taken. */
  head(): Seq {
    const head = this.#statements.head.get()?.head;
    // One row that cannot be read makes all of it nothing, and nothing looks like a new log.
    if (!isSeq(head)) throw this.#damaged("where it ends cannot be told");
    return head;
  }

  /** The newest row without its bytes. */
  tail(): Omit<StoredRow, "bytes" | "first"> | undefined {
    return this.#statements.tail.get() as Omit<StoredRow, "bytes" | "first"> | undefined;
  }

  /** The newest place in the chain. */
  tailLink(): Link {
    return (this.#statements.tail.get() as Link | undefined) ?? this.horizon().link;
  }

  /** The place in the chain that stands at or before `seq`: a row's, or what was dropped. */
  linkBefore(seq: Seq): Link {
    return (this.#statements.before.get(seq) as Link | undefined) ?? this.horizon().link;
  }

  /** The place in the chain of the row that holds `seq`, or of the first one after it. */
  linkHolding(seq: Seq): Link | undefined {
    return this.#statements.holding.get(seq) as Link | undefined;
  }

  /** Rows with entries after `after`, through `through`, at most `count`, in order. */
  page(after: Seq, through: Seq, count: number): readonly StoredRow[] {
    return this.#statements.page.all(after, through, count) as readonly unknown[] as readonly StoredRow[];
  }

  insert(row: StoredRow): void {
    const { seq, first, hash, boot, mono, wall, bytes } = row;
    this.#statements.insert.run(seq, first, hash, boot, mono, wall, bytes);
  }

  horizon(): Horizon {
    const { seq, row_seq: rowSeq, row_hash: hash } = this.#statements.horizon.get() ?? {};
    if (!isSeq(seq) || !isSeq(rowSeq) || !(hash instanceof Uint8Array) || hash.length !== 32) {
      throw this.#damaged("where it begins cannot be told");
    }
    return { seq, link: { seq: rowSeq, hash } };
  }

  holes(): readonly Hole[] {
    return this.#statements.holes
      .all()
      .map((row) => ({ afterSeq: row.after_seq as Seq, throughSeq: row.through_seq as Seq }));
  }

  /** Runs `read` on one unmoving view of the log. */
  view<T>(read: () => T): T {
    if (this.#inTransaction) return read();
    this.driver.exec("BEGIN");
    this.#inTransaction = true;
    try {
      return read();
    } finally {
      this.end("ROLLBACK");
    }
  }

  /** Takes the write lock; `false` when another has it, after trying for a moment. */
  lock(): boolean {
    try {
      this.driver.exec("BEGIN IMMEDIATE");
    } catch (error) {
      if (troubleOf(error) === "busy") return false;
      throw error;
    }
    this.#inTransaction = true;
    return true;
  }

  /** Ends what `lock` began. A rollback never throws: SQLite may have done it by itself. */
  end(how: "COMMIT" | "ROLLBACK"): void {
    if (how === "COMMIT") {
      this.driver.exec("COMMIT");
      this.#inTransaction = false;
      return;
    }
    this.#inTransaction = false;
    try {
      this.driver.exec("ROLLBACK");
    } catch {
      // No transaction is left to roll back.
    }
  }

  close(): void {
    this.driver.close();
  }

  #damaged(what: string): Failure {
    const { file } = this;
    const words = `${file} is damaged: ${what}. Run verify, and restore the log from a backup.`;
    return new Failure("log.damaged", words, { fields: { file } });
  }
}

function isSeq(value: unknown): value is Seq {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function pragma(driver: Driver, name: string): unknown {
  const row = driver.prepare(`PRAGMA ${name}`).get();
  return row === undefined ? undefined : Object.values(row)[0];
}

function checkFormat(file: string, driver: Driver, options: FileOptions): void {
  const fields = { file };
  const application = pragma(driver, "application_id");
  if (application === 0 && driver.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined) {
    if (!options.create || options.readOnly) {
      throw new Failure("log.unusable", `${file} holds no log yet.`, { fields: { ...fields, empty: true } });
    }
    layOut(driver);
    return;
  }
  if (application !== APPLICATION_ID) {
    throw new Failure("log.format", `${file} is a database, but not a log. Name another file.`, { fields });
  }
  const format = pragma(driver, "user_version") as number;
  if (format > FORMAT) {
    throw new Failure(
      "log.format",
      `${file} was written by a newer version (format ${format}, this program reads ${FORMAT}). Update this program.`,
      { fields: { ...fields, format } },
    );
  }
}

/** Makes a new log, unless another process was faster. */
function layOut(driver: Driver): void {
  driver.exec("PRAGMA auto_vacuum = INCREMENTAL");
  driver.exec("PRAGMA journal_mode = WAL");
  driver.exec("PRAGMA synchronous = FULL");
  driver.exec("BEGIN IMMEDIATE");
  if (pragma(driver, "application_id") !== APPLICATION_ID) {
    driver.exec(LAYOUT);
    driver.prepare("INSERT INTO horizon VALUES (1, 0, 0, ?)").run(GENESIS.hash);
    driver.exec(`PRAGMA user_version = ${FORMAT}`);
    driver.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  }
  driver.exec("COMMIT");
}

/** SQLite in WAL mode is not durable by default: asks for it, and refuses to go on unless it was granted. */
function makeDurable(file: string, driver: Driver, options: FileOptions): void {
  const level = options.full ? 2 : 1;
  if (pragma(driver, "journal_mode") !== "wal") driver.exec("PRAGMA journal_mode = WAL");
  driver.exec(`PRAGMA synchronous = ${level}`);
  driver.exec(`PRAGMA wal_autocheckpoint = ${options.autocheckpoint}`);
  if (process.platform === "darwin") driver.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
  if (pragma(driver, "journal_mode") === "wal" && pragma(driver, "synchronous") === level) return;
  throw new Failure("log.unusable", `${file}: this SQLite does not grant the durability asked of it.`, {
    fields: { file },
  });
}
