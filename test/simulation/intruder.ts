/**
 * Somebody who opens a session under the name of one that is to be alone: without its resume token it must be
 * refused for as long as that one is open, with it the one before must end.
 */
import { decode, encode } from "../../core/protocol/codec.ts";
import type { Hub } from "./hub.ts";
import type { Judge } from "./judge.ts";
import type { Wire } from "./sim-net.ts";

/** The session that is to be alone. */
export interface Alone {
  readonly label: string;
  readonly wire: Wire;
  readonly hub: Hub;
  /** What `session.open` was asked for with. */
  readonly opening: object;
  readonly resume: string;
  /** Whether it still is what it was. */
  readonly stands: () => boolean;
}

/** Tries it once, at the hub that serves the other. */
export function intrude(alone: Alone, judge: Judge, withToken: boolean): void {
  const { label, wire, hub, opening, resume } = alone;
  const incarnation = hub.incarnation;
  const own = hub.dial();
  if (own === undefined) return;
  // Somebody may have come with the token before, and the one who stood here not have heard of it.
  const wasTaken = wire.hub.reason === "taken-over";
  const open = () => alone.stands() && wire.cutAt === undefined && !wire.hub.closed && !wire.hub.mute;
  own.client.receive({
    frame: (frame) => {
      const { result } = (decode(frame) as { readonly value: { readonly result?: object } }).value;
      judge.note(() => `${label}! < ${incarnation} ${result === undefined ? "refused" : "let in"}`);
      const here = result !== undefined && hub.incarnation === incarnation;
      if (here && open()) judge.fail(`${label} is not alone`);
      // It may have been taken over by itself meanwhile, and ended: then it knows.
      if (here && !withToken && !wasTaken && alone.stands() && wire.hub.reason === "taken-over") {
        judge.fail(`${label} was taken over without its resume token`);
      }
      own.client.close("goodbye");
    },
    drained: () => {},
    closed: () => {},
  });
  judge.note(() => `${label}! > ${incarnation} session.open, ${withToken ? "with" : "without"} its token`);
  const params = { ...opening, ...(withToken ? { resume } : {}) };
  own.client.send(encode(own.codec, { jsonrpc: "2.0", id: 1, method: "session.open", params }));
}
