/**
 * Testimony: what agents were told, written down where the frames arrive, before any of our own code has
 * seen them. The proof at the end holds the log against it.
 */
import type { Connection, Frame } from "../../../core/ports/transport.ts";
import { receive } from "../../../core/protocol/receive.ts";

/** A command and the answer that said it was done. */
export interface Acknowledged {
  readonly agent: string;
  readonly submission: string;
  readonly method: string;
  readonly seq: number;
  readonly epoch?: number;
}

/** A command and the answer that refused it. */
export interface Denied {
  readonly agent: string;
  readonly method: string;
  readonly code: string;
  readonly message: string;
  readonly params: { readonly [field: string]: unknown };
  readonly fields: { readonly [field: string]: unknown };
}

type Params = { readonly submission?: string; readonly [field: string]: unknown };

export class Testimony {
  readonly acknowledged: Acknowledged[] = [];
  readonly denied: Denied[] = [];
  /** Called with each refusal as it arrives. */
  onDenied: (denied: Denied) => void = () => {};

  /** The same connection, overheard. */
  hear(agent: string, connection: Connection): Connection {
    const sent = new Map<unknown, { readonly method: string; readonly params: Params }>();
    const asked = (frame: Frame): void => {
      for (const message of receive(frame)) {
        if (message.kind !== "request") continue;
        const params = message.params as Params;
        if (params.submission !== undefined) sent.set(message.id, { method: message.method, params });
      }
    };
    const answered = (frame: Frame): void => {
      for (const message of receive(frame)) {
        if (message.kind !== "reply" && message.kind !== "error") continue;
        const request = sent.get(message.id);
        if (request === undefined) continue;
        sent.delete(message.id);
        if (message.kind === "reply") this.accepted(agent, request, message.result);
        else if (message.error.code === 1) this.refused(agent, request, message.error);
      }
    };
    return {
      peer: connection.peer,
      codec: connection.codec,
      get bufferedBytes() {
        return connection.bufferedBytes;
      },
      send: (frame) => {
        asked(frame);
        connection.send(frame);
      },
      close: (reason, words) => connection.close(reason, words),
      receive: (receiver) =>
        connection.receive({
          frame: (frame) => {
            answered(frame);
            receiver.frame(frame);
          },
          drained: () => receiver.drained(),
          closed: (how) => receiver.closed(how),
        }),
    };
  }

  private accepted(
    agent: string,
    { method, params }: { method: string; params: Params },
    result: unknown,
  ): void {
    const { seq, epoch } = result as { readonly seq: number; readonly epoch?: number };
    const { submission = "" } = params;
    this.acknowledged.push({ agent, submission, method, seq, ...(epoch === undefined ? {} : { epoch }) });
  }

  private refused(
    agent: string,
    { method, params }: { method: string; params: Params },
    { message, data }: { readonly message: string; readonly data?: unknown },
  ): void {
    const { code, ...fields } = data as { readonly code: string; readonly [field: string]: unknown };
    const denied = { agent, method, code, message, params, fields };
    this.denied.push(denied);
    this.onDenied(denied);
  }
}
