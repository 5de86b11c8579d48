/**
 * Calling a hub through a spool: requests appended to a file, responses read from another.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type {
  Closed,
  CloseReason,
  Codec,
  Connection,
  ConnectOptions,
  Frame,
  Peer,
  Receiver,
} from "../../core/ports/transport.ts";
import { LineFile } from "./line-file.ts";
import { lineFor } from "./lines.ts";
import { folderOf, makeFolder, REQUESTS, RESPONSES, spoolPlace } from "./place.ts";
import { sign, signIn, signs } from "./requests.ts";
import { nextResponses } from "./responses.ts";
import { closedBy } from "./spool-connection.ts";

/**
 * Connects to `ndjson:DIR?agent=NAME`; the name may come from the options instead. A file of requests
 * that an earlier process of this agent left is replaced. Throws `hub.unreachable` when no hub answers
 * in time, `usage` without a name.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const { root, agent = options.agent } = spoolPlace(url);
  if (agent === undefined) {
    throw new Failure("usage", "A spool is called as somebody: ndjson:DIR?agent=NAME.", { fields: { url } });
  }
  const giveUpMs = performance.now() + (options.timeoutMs ?? limits.handshakeMs);
  for (;;) {
    const untilMs = Math.min(giveUpMs, performance.now() + TRY_MS);
    const caller = await tryToCall(root, agent, untilMs).catch((error: unknown) => {
      // The hub may be tidying up after an earlier caller of this name.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return undefined;
    });
    if (caller !== undefined) return caller;
    if (performance.now() >= giveUpMs) {
      throw new Failure("hub.unreachable", `No hub serves the spool ${root}.`, {
        fields: { url: `ndjson:${root}` },
      });
    }
    await pause();
  }
}

/** After so long a caller begins anew: what it wrote may have gone with the files of the one before it. */
const TRY_MS = 1500;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, limits.spoolPollMs / 2));

async function tryToCall(root: string, agent: string, untilMs: number): Promise<Connection | undefined> {
  const folder = join(root, folderOf(agent));
  const requests = join(folder, REQUESTS);
  await makeFolder(folder);
  const responses = await LineFile.open(join(folder, RESPONSES));
  await responses?.skipToEnd();
  const link = randomBytes(12).toString("base64url");
  const fresh = join(folder, `.${link}.new`);
  const output = await open(fresh, "ax", 0o600).catch(async (error: unknown) => {
    await responses?.close();
    throw error;
  });
  const caller = new SpoolCaller(folder, output, responses, {
    transport: "ndjson",
    address: root,
    loopback: true,
  });
  try {
    await output.appendFile(`${sign(signs.open, { link })}\n`);
    await rename(fresh, requests);
    while (!(await caller.isOpened(link))) {
      if (performance.now() >= untilMs) {
        await caller.abandon();
        await rm(requests, { force: true });
        return undefined;
      }
      await pause();
    }
  } catch (error) {
    await caller.abandon();
    throw error;
  }
  caller.begin();
  return caller;
}

class SpoolCaller implements Connection {
  readonly peer: Peer;
  readonly codec: Codec = "json";
  readonly #folder: string;
  readonly #output: FileHandle;
  #responses: LineFile | undefined;
  #receiver: Receiver | undefined;
  #closed: Closed | undefined;
  #told = false;
  #early: string[] = [];
  #queue: string[] = [];
  #bufferedBytes = 0;
  #writing = false;
  #over = false;
  #farewell: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #quietLooks = 0;

  constructor(folder: string, output: FileHandle, responses: LineFile | undefined, peer: Peer) {
    this.#folder = folder;
    this.#output = output;
    this.#responses = responses;
    this.peer = peer;
  }

  get bufferedBytes(): number {
    return this.#closed === undefined ? this.#bufferedBytes : 0;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    queueMicrotask(() => {
      for (const frame of this.#early.splice(0)) this.#heard(frame);
      this.#tell();
    });
  }

  send(frame: Frame): void {
    if (this.#closed !== undefined || typeof frame !== "string") return;
    const line = lineFor(frame);
    this.#queue.push(line);
    this.#bufferedBytes += Buffer.byteLength(line);
    if (this.#bufferedBytes > limits.connectionBufferBytesMax) this.#over = true;
    this.#quietLooks = 0;
    this.#write();
  }

  close(reason: CloseReason, words?: string): void {
    if (this.#closed !== undefined) return;
    const said = words === undefined || words === "" ? reason : `${reason}: ${words}`;
    this.#farewell = `${sign(signs.close, { reason, ...(words === undefined ? {} : { words }) })}\n`;
    this.#end({ goodbye: reason === "goodbye", reason: said });
    this.#write();
  }

  /** Whether the hub has repeated the link; frames behind it wait for a receiver. */
  async isOpened(link: string): Promise<boolean> {
    for (const line of await this.#lines()) {
      const said = signIn(line);
      if (said?.method === signs.opened && said.params.link === link) this.#isOpen = true;
      else if (this.#isOpen) this.#heardLine(line);
    }
    return this.#isOpen;
  }

  #isOpen = false;

  async abandon(): Promise<void> {
    await this.#output.close();
    await this.#responses?.close();
  }

  /** Reads from now on. */
  begin(): void {
    const look = async (): Promise<void> => {
      if (this.#closed !== undefined) return;
      // Without a receiver nothing more is taken into memory; it waits in the file.
      if (this.#receiver !== undefined || this.#early.length === 0) {
        const lines = await this.#lines();
        if (lines.length > 0) this.#quietLooks = 0;
        for (const line of lines) this.#heardLine(line);
      }
      if (this.#quietLooks % 50 === 49 && !(await this.#isMine()))
        this.#end({ goodbye: false, reason: "taken-over" });
      const rest = Math.min(limits.spoolPollMs * 4, limits.spoolPollMs / 2 + this.#quietLooks++ / 8);
      if (this.#closed === undefined)
        this.#timer = setTimeout(() => void look().catch(() => this.#broken()), rest);
    };
    void look().catch(() => this.#broken());
  }

  async #lines(): Promise<readonly string[]> {
    const path = join(this.#folder, RESPONSES);
    this.#responses ??= await LineFile.open(path);
    const file = this.#responses;
    if (file === undefined) return [];
    const lines = await file.next();
    if (lines.length === 0 && !(await file.isAt(path))) {
      // Rotated: what was written between the last look and the renaming is still to be read.
      const rest = await file.next();
      if (rest.length === 0) {
        const next = await nextResponses(this.#folder, file.ino, inoOf);
        const opened = await LineFile.open(next);
        if (opened !== undefined) {
          await file.close();
          this.#responses = opened;
        }
        return [];
      }
      return rest.flatMap(({ line }) => ("text" in line ? [line.text] : []));
    }
    return lines.flatMap(({ line }) => ("text" in line ? [line.text] : []));
  }

  #heardLine(line: string): void {
    const said = signIn(line);
    if (said === undefined) this.#heard(line);
    else if (said.method === signs.close) this.#end(closedBy(said.params));
  }

  #heard(frame: string): void {
    if (this.#closed !== undefined && this.#receiver !== undefined && this.#told) return;
    if (this.#receiver === undefined) this.#early.push(frame);
    else if (this.#closed === undefined) this.#receiver.frame(frame);
  }

  /** Whether the path still leads to our file; another process of this agent may have begun its own. */
  async #isMine(): Promise<boolean> {
    const [mine, there] = await Promise.all([this.#output.stat(), inoOf(join(this.#folder, REQUESTS))]);
    return there === undefined || there === mine.ino;
  }

  #write(): void {
    if (this.#writing || (this.#queue.length === 0 && this.#farewell === undefined)) return;
    this.#writing = true;
    setImmediate(() => {
      const bytes = Buffer.from(this.#queue.join("") + (this.#farewell ?? ""));
      const last = this.#farewell !== undefined;
      const queued = this.#bufferedBytes;
      this.#queue = [];
      this.#farewell = undefined;
      this.#output.appendFile(bytes).then(
        () => {
          this.#writing = false;
          this.#bufferedBytes -= queued;
          if (last) return void this.abandon().catch(() => undefined);
          if (this.#over && this.#bufferedBytes <= limits.connectionBufferBytesMax / 2) {
            this.#over = false;
            if (this.#closed === undefined) this.#receiver?.drained();
          }
          this.#write();
        },
        () => this.#broken(),
      );
    });
  }

  #broken(): void {
    this.#end({ goodbye: false, reason: "broken" });
  }

  #end(how: Closed): void {
    if (this.#closed !== undefined) return;
    this.#closed = how;
    clearTimeout(this.#timer);
    queueMicrotask(() => this.#tell());
    if (this.#farewell === undefined && !this.#writing) void this.abandon().catch(() => undefined);
  }

  #tell(): void {
    if (this.#told || this.#receiver === undefined || this.#closed === undefined) return;
    this.#told = true;
    this.#receiver.closed(this.#closed);
  }
}

async function inoOf(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).ino;
  } catch {
    return undefined;
  }
}
