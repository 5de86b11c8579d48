/**
 * A connection over a pair of byte streams, one line a frame; the same at both ends.
 */
import type { Readable, Writable } from "node:stream";
import { limits } from "../../core/limits.ts";
import type {
  Closed,
  CloseReason,
  Codec,
  Connection,
  Frame,
  Peer,
  Receiver,
} from "../../core/ports/transport.ts";
import { LineCutter, lineFor, lineProblem } from "./lines.ts";

const ROOM_BYTES = limits.connectionBufferBytesMax / 2;

export class StdioConnection implements Connection {
  readonly peer: Peer;
  readonly codec: Codec = "json";
  /** Resolves when what was sent is written out, or cannot be, after either end closed. */
  readonly ended: Promise<void>;
  readonly #input: Readable;
  readonly #output: Writable;
  #receiver: Receiver | undefined;
  #closed: Closed | undefined;
  #told = false;
  #over = false;
  #patience: NodeJS.Timeout | undefined;
  #deafness: NodeJS.Timeout | undefined;
  #resolveEnded: () => void = () => undefined;

  /** `answers`: whether a line that is no frame is answered by an error; only the hub's end does. */
  constructor(input: Readable, output: Writable, peer: Peer, answers: boolean) {
    this.peer = peer;
    this.#input = input;
    this.#output = output;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const cutter = new LineCutter((line) => {
      if (this.#closed !== undefined) return;
      if ("text" in line) this.#receiver?.frame(line.text);
      else if (answers) this.send(lineProblem(line.problem));
    });
    const broken = (): void => this.#end({ goodbye: false, reason: "broken" });
    // The other end takes nothing more. What it said last is still read: the input of a command that ends is
    // closed before its output is.
    let isDeaf = false;
    const hearOut = (): void => {
      if (!isDeaf || this.#receiver === undefined || this.#closed !== undefined) return;
      this.#deafness ??= setTimeout(broken, limits.closeMs).unref();
    };
    const deaf = (): void => {
      isDeaf = true;
      hearOut();
    };
    input.on("error", broken);
    output.on("error", deaf);
    output.on("close", deaf);
    input.on("end", broken);
    input.on("close", broken);
    // Nothing is read before there is a receiver: what comes waits in the pipe. Somebody must seem to wait
    // for it, since node throws away what nobody reads of a command that ended.
    const nobody = (): void => undefined;
    input.on("readable", nobody);
    this.#begin = () => {
      input.off("readable", nobody);
      input.on("data", (chunk: Buffer) => cutter.push(chunk));
      hearOut();
    };
  }

  readonly #begin: () => void;

  get bufferedBytes(): number {
    return this.#closed === undefined ? this.#output.writableLength : 0;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    if (this.#closed === undefined) this.#begin();
    else queueMicrotask(() => this.#tell());
  }

  send(frame: Frame): void {
    if (this.#closed !== undefined || typeof frame !== "string") return;
    const line = lineFor(frame);
    const done = this.bufferedBytes + line.length > ROOM_BYTES ? this.#written : undefined;
    this.#output.write(line, done);
    if (this.#over || this.bufferedBytes <= limits.connectionBufferBytesMax) return;
    this.#over = true;
    const words = `Nothing was read for ${limits.drainMs} ms.`;
    this.#patience = setTimeout(() => this.close("too-slow", words), limits.drainMs);
    this.#patience.unref();
  }

  close(reason: CloseReason, words?: string): void {
    const said = words === undefined || words === "" ? reason : `${reason}: ${words}`;
    this.#end({ goodbye: reason === "goodbye", reason: said });
  }

  readonly #written = (): void => {
    if (!this.#over || this.#closed !== undefined || this.bufferedBytes > ROOM_BYTES) return;
    this.#over = false;
    clearTimeout(this.#patience);
    this.#receiver?.drained();
  };

  #end(how: Closed): void {
    if (this.#closed !== undefined) return;
    this.#closed = how;
    clearTimeout(this.#patience);
    clearTimeout(this.#deafness);
    queueMicrotask(() => this.#tell());
    const cut = setTimeout(() => this.#release(), limits.closeMs);
    cut.unref();
    const flushed = (): void => {
      clearTimeout(cut);
      this.#release();
    };
    // Standard output of a process cannot be ended, only flushed.
    if (this.#output === (process.stdout as Writable)) this.#output.write("", flushed);
    else this.#output.end(flushed);
  }

  #release(): void {
    if (this.#output !== (process.stdout as Writable)) this.#output.destroy();
    this.#input.destroy();
    this.#resolveEnded();
  }

  #tell(): void {
    if (this.#told || this.#receiver === undefined || this.#closed === undefined) return;
    this.#told = true;
    this.#receiver.closed(this.#closed);
  }
}
