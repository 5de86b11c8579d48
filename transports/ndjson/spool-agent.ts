/**
 * One agent's folder as the hub sees it: its requests as a connection, its connection's frames as
 * responses.
 */
import { rename, rm, rmdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";
import type { Accept, CloseReason, Peer } from "../../core/ports/transport.ts";
import { LineFile, type LinePlace, type PlacedLine, Untrusted } from "./line-file.ts";
import { type Line, lineFor, lineProblem } from "./lines.ts";
import { readNote } from "./notes.ts";
import { folderOwner, NOTES, REQUESTS } from "./place.ts";
import {
  OPENING,
  openingFrame,
  readyLine,
  refusalOf,
  repliedId,
  sign,
  signIn,
  signs,
  withRefusal,
} from "./requests.ts";
import { Responses, type ResponsesBounds, removeResponses } from "./responses.ts";
import { SpoolConnection } from "./spool-connection.ts";
import { tokenIn } from "./spool-token.ts";

/** How a spool paces itself. */
export interface SpoolBounds extends ResponsesBounds {
  readonly spoolPollMs: number;
  readonly spoolRestMs: number;
  readonly spoolIdleMs: number;
  readonly spoolKeptMs: number;
}

/** What survives a restart of the hub. */
export interface Note extends LinePlace {
  /** Where the lines begin that were taken and have no answer. */
  readonly open: readonly number[];
  /** A caller held a connection: it must learn that it broke. */
  readonly linked: boolean;
}

/** Whether a line may be the agent's own `session.open`. */
function opensSession(line: Line): boolean {
  return "text" in line && line.text.includes('"session.open"');
}

/** Watches one folder until `stop`. */
export class SpoolAgent {
  readonly #root: string;
  readonly #folder: string;
  readonly #agent: string;
  readonly #accept: Accept;
  readonly #bounds: SpoolBounds;
  readonly #note: string;
  readonly #peer: Peer & { token?: string };
  /** Why the token in the folder is not used. */
  #tokenProblem = "";
  /** Why the session made for the agent was refused: what is asked behind it fails for that. */
  #refusedSession: object | undefined;
  #file: LineFile | undefined;
  #responses: Responses | undefined;
  #connection: SpoolConnection | undefined;
  /** Whether a caller that holds a connection wrote this file: it ends with the connection. */
  #linked = false;
  /** Nothing more is taken from this file. */
  #isOver = false;
  #hasSession = false;
  /** Lines read and not yet handed on. */
  #waiting: PlacedLine[] = [];
  /** Offsets of lines by the ids of their requests that have no answer. */
  readonly #open = new Map<string, number[]>();
  #inFlight = 0;
  #lastMs = performance.now();
  #noted = "";
  #refusal = "";
  #stopped = false;
  #wake: () => void = () => undefined;
  readonly #running: Promise<void>;

  constructor(root: string, folder: string, agent: string, accept: Accept, bounds: SpoolBounds) {
    this.#root = root;
    this.#folder = folder;
    this.#agent = agent;
    this.#accept = accept;
    this.#bounds = bounds;
    this.#note = join(root, NOTES, `${folder}.json`);
    this.#peer = { transport: "ndjson", address: folder, loopback: true, agent };
    this.#running = this.#run();
  }

  /** Ends the connection and keeps what a restart needs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#connection?.close("shutting-down");
    this.#wake();
    await this.#running;
  }

  get #path(): string {
    return join(this.#root, this.#folder);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#look();
      } catch (error) {
        this.#refuse(error as Error);
      }
      await this.#rest();
    }
    await this.#keep();
    await this.#leave();
  }

  /** One look at the file; returns soon, whatever the agent does. */
  async #look(): Promise<void> {
    await this.#closing;
    const owner = await folderOwner(this.#root, this.#folder);
    if (owner === undefined) throw new Untrusted("its folder is no real folder of this spool");
    if (this.#isOver) await this.#replaced();
    await this.#openFile(owner);
    const file = this.#file;
    if (file === undefined) return;
    if (this.#waiting.length === 0 && (this.#connection === undefined || this.#connection.isHeard)) {
      this.#waiting.push(...(await file.next()));
      if (this.#waiting.length === 0 && !(await file.isAt(join(this.#path, REQUESTS))))
        await this.#replaced();
    }
    if (this.#waiting.some(({ line }) => !this.#hasSession || opensSession(line)))
      await this.#readToken(owner);
    this.#handOn(owner);
    await this.#keep();
    await this.#tidy();
  }

  /** Looked at for each session, so that a token put there later, or another, counts from then on. */
  async #readToken(owner: number): Promise<void> {
    this.#tokenProblem = "";
    delete this.#peer.token;
    try {
      const token = await tokenIn(this.#path, owner);
      if (token !== undefined) this.#peer.token = token;
    } catch (error) {
      if (!(error instanceof Untrusted)) throw error;
      this.#tokenProblem = error.message;
    }
  }

  async #openFile(owner: number): Promise<void> {
    if (this.#file !== undefined) return;
    const note = await readNote(this.#note);
    const file = await LineFile.open(join(this.#path, REQUESTS), { uid: owner, place: note });
    if (file === undefined) return;
    this.#file = file;
    this.#isOver = false;
    this.#refusal = "";
    this.#lastMs = performance.now();
    if (note?.linked === true && file.offset > 0) {
      // Its caller holds a connection that ended with the hub before this one.
      this.#linked = true;
      this.#connected(owner).close("failed", "The hub was started anew.");
      return;
    }
    if (note !== undefined && file.offset > 0) this.#waiting.push(...(await file.at(note.open)));
  }

  /** The path leads elsewhere and the old file is read to its end. */
  async #replaced(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    this.#isOver = false;
    this.#open.clear();
    await rm(this.#note, { force: true });
    this.#noted = "";
    const owner = await folderOwner(this.#root, this.#folder);
    if (owner === undefined) return this.#finish();
    await this.#openFile(owner);
    // Gone: the agent is through, and nobody will look at its responses.
    if (this.#file === undefined) await this.#finish();
  }

  #handOn(owner: number): void {
    while (this.#waiting.length > 0 && this.#inFlight < limits.inFlightPerSession / 2 && !this.#stopped) {
      const { offset, line } = this.#waiting[0] as PlacedLine;
      const text = "text" in line ? line.text : undefined;
      const said = text === undefined ? undefined : signIn(text);
      if (said?.method === signs.close) {
        this.#waiting.shift();
        this.#connection?.endBy(said.params);
        continue;
      }
      const connection = this.#connected(owner);
      if (said?.method === signs.open) {
        this.#waiting.shift();
        this.#linked = true;
        this.#responses?.add(`${sign(signs.opened, { link: said.params.link })}\n`);
        continue;
      }
      if (!connection.isHeard) return;
      this.#waiting.shift();
      this.#lastMs = performance.now();
      if (text === undefined) this.#problem("problem" in line ? line.problem : "", offset);
      else this.#hand(text, offset, connection);
    }
  }

  #hand(text: string, offset: number, connection: SpoolConnection): void {
    const { ino, birthMs, turn } = (this.#file as LineFile).place;
    const ready = readyLine(text, `${this.#agent} ${ino} ${birthMs} ${turn}`);
    if ("problem" in ready) return this.#problem(ready.problem, offset);
    if (ready.needsSession && !this.#hasSession) {
      this.#inFlight++;
      // A refusal takes it back, from within the call.
      this.#hasSession = true;
      connection.hear(openingFrame(this.#agent));
    } else this.#hasSession ||= ready.ids.length > 0;
    for (const id of ready.ids) {
      this.#inFlight++;
      const offsets = this.#open.get(id);
      if (offsets === undefined) this.#open.set(id, [offset]);
      else offsets.push(offset);
    }
    connection.hear(ready.frame);
  }

  #problem(why: string, offset: number): void {
    this.#responses?.add(`${lineProblem(why, { offset })}\n`);
  }

  /** The connection, made when there is something to say. */
  #connected(owner: number): SpoolConnection {
    if (this.#connection !== undefined) return this.#connection;
    const failed = (error: Error): void => this.#connection?.close("failed", error.message);
    const responses = new Responses(this.#path, owner, this.#bounds, {
      failed,
      wrote: () => connection.wrote(),
    });
    const connection: SpoolConnection = new SpoolConnection(this.#peer, {
      frame: (frame) => this.#answered(frame),
      bufferedBytes: () => responses.bufferedBytes,
      closed: (reason, words) => void this.#hungUp(reason, words),
    });
    this.#responses = responses;
    this.#connection = connection;
    this.#hasSession = false;
    this.#inFlight = 0;
    this.#accept(connection);
    return connection;
  }

  #answered(frame: string): void {
    const id = repliedId(frame);
    if (id !== undefined && this.#inFlight > 0) this.#inFlight--;
    if (id === JSON.stringify(OPENING)) {
      this.#refusedSession = refusalOf(frame, this.#tokenProblem);
      if (this.#refusedSession === undefined) return;
      this.#hasSession = false;
      this.#responses?.add(lineFor(withRefusal(frame, this.#refusedSession, null)));
      return;
    }
    const offsets = id === undefined ? undefined : this.#open.get(id);
    offsets?.shift();
    if (id !== undefined && offsets?.length === 0) this.#open.delete(id);
    const refused = this.#refusedSession;
    const unopened = refused !== undefined && frame.includes('"code":"session.not-open"');
    this.#responses?.add(lineFor(unopened ? withRefusal(frame, refused) : frame));
    this.#lastMs = performance.now();
    if (this.#waiting.length > 0) this.#wake();
  }

  /** Either end closed it: `words` came from the hub, `undefined` reason from the agent. */
  async #hungUp(reason: CloseReason | undefined, words: string | undefined): Promise<void> {
    const responses = this.#responses;
    this.#connection = undefined;
    this.#responses = undefined;
    const linked = this.#linked;
    this.#linked = false;
    if (reason !== undefined) {
      const said = { reason, ...(words === undefined ? {} : { words }) };
      responses?.add(`${sign(signs.close, said)}\n`);
    }
    if (linked || this.#stopped === false) this.#open.clear();
    if (linked) {
      this.#waiting = [];
      this.#isOver = true;
    }
    this.#closing = (async () => {
      await responses?.close();
      // Its file ends with it: the caller begins a new one when it calls again.
      if (linked) await this.#finish(this.#file);
    })().catch(() => undefined);
    this.#wake();
    await this.#closing;
  }

  #closing: Promise<void> = Promise.resolve();

  /** Removes what is left of an agent that is through; `file`: only while the path leads to it. */
  async #finish(file?: LineFile): Promise<void> {
    const requests = join(this.#path, REQUESTS);
    this.#waiting = [];
    this.#open.clear();
    this.#connection?.endBy({ reason: "goodbye" });
    await this.#responses?.close();
    if (file !== undefined && !(await file.isAt(requests))) return;
    if (file !== undefined) {
      // Aside first, so that a file that was put there meanwhile is not what goes.
      const aside = join(this.#root, NOTES, `${this.#folder}.done`);
      await rename(requests, aside).catch(() => undefined);
      if (await file.isAt(aside)) await unlink(aside);
      else await rename(aside, requests).catch(() => undefined);
      await file.close().catch(() => undefined);
      if (this.#file === file) this.#file = undefined;
      this.#isOver = false;
    }
    await rm(this.#note, { force: true });
    this.#noted = "";
    await removeResponses(this.#path);
    await rmdir(this.#path).catch(() => undefined);
  }

  /** Ends a connection nobody used for a while, and removes files nobody used for long. */
  async #tidy(): Promise<void> {
    if (this.#waiting.length > 0 || this.#open.size > 0) return;
    const idleMs = performance.now() - this.#lastMs;
    if (idleMs >= this.#bounds.spoolIdleMs && !this.#linked)
      this.#connection?.close("goodbye", "Nothing was asked for a while.");
    if (idleMs >= this.#bounds.spoolKeptMs && this.#connection === undefined) await this.#finish(this.#file);
  }

  async #keep(): Promise<void> {
    if (this.#file === undefined) return;
    const open = [...this.#open.values()].flat();
    for (const { offset } of this.#waiting) open.push(offset);
    const note: Note = {
      ...this.#file.place,
      open: [...new Set(open)].sort((a, b) => a - b),
      linked: this.#linked,
    };
    const text = JSON.stringify(note);
    if (text === this.#noted) return;
    await writeFile(`${this.#note}.new`, text, { mode: 0o600 });
    await rename(`${this.#note}.new`, this.#note);
    this.#noted = text;
  }

  async #leave(): Promise<void> {
    await this.#closing;
    await this.#responses?.close();
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
  }

  /** What cannot be trusted is said once, where the agent looks, and looked at again later. */
  #refuse(error: Error): void {
    if (!(error instanceof Untrusted) || error.message === this.#refusal) return;
    this.#refusal = error.message;
    this.#connection?.close("refused", error.message);
  }

  /** Busy agents are looked at often, silent ones seldom. */
  #rest(): Promise<void> {
    const idleMs = performance.now() - this.#lastMs;
    const { spoolPollMs, spoolRestMs } = this.#bounds;
    const ms = Math.min(spoolRestMs, Math.max(spoolPollMs, idleMs / 20));
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#stopped ? 0 : ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
