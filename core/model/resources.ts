/**
 * Resources: shared things that agents offer, and units of them reserved under leases.
 *
 * An offer ends when it is withdrawn, runs out, or its agent is gone; what was reserved of it ends with it.
 * A reservation never outlasts its offer, is fenced by an epoch as a claim is, and is renewed and returned
 * under it.
 */
import { limits } from "../limits.ts";
import { byCodeUnit } from "./agents.ts";
import type { State } from "./model.ts";
import { type Page, page, paging } from "./page.ts";
import {
  loadResources,
  noResources,
  putOffer,
  putReservation,
  type Reservation,
  type Resource,
  type ResourcesState,
  removeOffer,
  removeReservation,
  saveResources,
} from "./resource-state.ts";
import { choice, doc, free, integer, optional, string, type Typed } from "./shape.ts";
import { accept, type Context, command, event, query, refusal, rejecter, type Slice } from "./slice.ts";
import { ttlMs } from "./terms.ts";

const id = string("id", limits.idMax);
const epoch = doc("The epoch the units were reserved under.", integer(1));
const units = integer(1, limits.resourceUnitsMax);
const note = optional(string("line", limits.noteMax));
const meta = optional(free(limits.metaBytesMax));

export const resourceCommands = {
  "resource.offer": command("Lets others use something. By who offers it already: extends and replaces it.", {
    name: id,
    kind: doc("What sort of thing it is, in a word of your own.", id),
    capacity: optional(doc("Units there are; 1 unless said.", units)),
    ttlMs: optional(ttlMs),
    meta,
  }),
  "resource.withdraw": command("Ends the sender's offer, and what was reserved of it.", { name: id }),
  "resource.reserve": command("Takes units under a lease; with `epoch`, extends that reservation.", {
    name: id,
    units: optional(doc("1 unless said; with `epoch`, as many as before.", units)),
    ttlMs: optional(ttlMs),
    note,
    epoch: optional(epoch),
  }),
  "resource.return": command("Gives reserved units back.", { name: id, epoch }),
} as const;
export type ResourceCommand = Typed<typeof resourceCommands>;

const lease = { name: id, agent: id, epoch, units, ttlMs, expiresAtMs: integer(0), note } as const;
const ending = { name: id, agent: id, epoch } as const;
export const resourceEvents = {
  "resource.offered": event("An agent offers something, or offers it anew: what is reserved of it stays.", {
    name: id,
    kind: id,
    agent: id,
    capacity: units,
    ttlMs,
    expiresAtMs: integer(0),
    meta,
  }),
  "resource.withdrawn": event("An offer ended, and with it what was reserved of it.", {
    name: id,
    agent: id,
    how: choice("withdrawn", "expired", "gone"),
  }),
  "resource.reserved": event("Units were reserved.", lease),
  "resource.renewed": event("A reservation was extended; the epoch stays.", lease),
  "resource.returned": event("Units were given back.", ending),
  "resource.expired": event("A reservation ran out.", ending),
} as const;
export type ResourceEvent = Typed<typeof resourceEvents>;

export const resourceRejections = {
  "resource.unknown": refusal(
    "Nobody offers it.",
    { name: id },
    (f) => `Nobody offers ${f.name} (any more). See resources.list for what there is; nothing was changed.`,
  ),
  "resource.taken": refusal(
    "Another agent offers something of that name.",
    { name: id, agent: id, expiresAtMs: integer(0), remainingMs: integer(0) },
    (f) =>
      `${f.name} is offered by ${f.agent} for another ${seconds(f.remainingMs)} s at least. ` +
      "Offer yours under another name; nothing was changed.",
  ),
  "resource.not-yours": refusal(
    "The offer is another's.",
    { name: id, agent: id },
    (f) =>
      `${f.name} is offered by ${f.agent}; only ${f.agent} or an operator can withdraw it. To ` +
      "give back what you reserved, use resource.return; nothing was changed.",
  ),
  "resource.in-use": refusal(
    "A smaller capacity than what is reserved.",
    { name: id, used: integer(1) },
    (f) =>
      `${f.used} units of ${f.name} are reserved, so its capacity cannot be less. Wait until ` +
      "some are returned, or withdraw it; nothing was changed.",
  ),
  "resource.exhausted": refusal(
    "Fewer units are free than are wanted.",
    {
      name: id,
      free: integer(0),
      capacity: integer(1),
      next: optional(doc("When enough will be free at the latest, unless leases are renewed.", integer(0))),
      remainingMs: optional(integer(0)),
    },
    (f) =>
      f.remainingMs === undefined
        ? `${f.name} has ${f.free} of ${f.capacity} units free and can never have as many as you ` +
          "want. Ask for fewer, " +
          "or elsewhere; nothing was changed."
        : `${f.name} has ${f.free} of ${f.capacity} units free. Leases on enough others end in ` +
          `${seconds(f.remainingMs)} s unless renewed: try again then, or ask for fewer; nothing ` +
          "was changed.",
  ),
  "resource.not-holder": refusal(
    "The reservation is another's.",
    { name: id, holder: id },
    (f) =>
      `That reservation of ${f.name} is held by ${f.holder}, not by you. Reserve units of your ` +
      "own; nothing was changed.",
  ),
  "resource.stale": refusal(
    "No reservation stands under that epoch: it ended, or never was.",
    { name: id, epoch },
    (f) =>
      `No reservation of ${f.name} stands under epoch ${f.epoch}: it has ended. Stop using those ` +
      "units; reserve anew to go on. Nothing was changed.",
  ),
  "resource.quota": refusal(
    "The agent offers or holds as many as one may.",
    { agent: id, max: integer(1) },
    (f) =>
      `${f.agent} has ${f.max} of them, the most one agent may. Withdraw or return some first; ` +
      "nothing was changed.",
  ),
} as const;
const reject = rejecter(resourceRejections);

export const resources: Slice<ResourcesState, ResourceCommand, ResourceEvent> = {
  initial: noResources,
  decide: {
    "resource.offer": (state, command, { agent, nowMs }) => {
      const { name, kind, capacity = 1, ttlMs = limits.ttlMsDefault, meta } = command;
      const before = state.resources.byName.get(name);
      if (before !== undefined && before.agent !== agent) {
        const { expiresAtMs } = before;
        return reject("resource.taken", {
          name,
          agent: before.agent,
          expiresAtMs,
          remainingMs: expiresAtMs - nowMs,
        });
      }
      if (before !== undefined && before.used > capacity) {
        return reject("resource.in-use", { name, used: before.used });
      }
      const offers = state.resources.offers.get(agent)?.length ?? 0;
      if (before === undefined && offers >= limits.offersPerAgentMax) {
        return reject("resource.quota", { agent, max: limits.offersPerAgentMax });
      }
      // Never earlier than it was: leases on it were given until then.
      const expiresAtMs = Math.max(nowMs + ttlMs, before?.used ? before.expiresAtMs : 0);
      const said = meta === undefined ? {} : { meta };
      return accept({ type: "resource.offered", name, kind, agent, capacity, ttlMs, expiresAtMs, ...said });
    },
    "resource.withdraw": (state, { name }, { agent, operator }) => {
      const offer = state.resources.byName.get(name);
      if (offer === undefined) return reject("resource.unknown", { name });
      if (offer.agent !== agent && !operator) {
        return reject("resource.not-yours", { name, agent: offer.agent });
      }
      return accept({ type: "resource.withdrawn", name, agent: offer.agent, how: "withdrawn" });
    },
    "resource.reserve": reserve,
    "resource.return": (state, { name, epoch }, context) => {
      const held = heldReservation(state, name, epoch, context);
      if ("rejection" in held) return held;
      return accept({ type: "resource.returned", name, agent: context.agent, epoch });
    },
  },
  evolve: {
    "resource.offered": (slice, { type: _, ...offer }, at) => putOffer(slice, offer, at),
    "resource.withdrawn": (slice, { name }, at) => removeOffer(slice, name, at),
    "resource.reserved": (slice, { type: _, name, ...lease }, at) => putReservation(slice, name, lease, at),
    "resource.renewed": (slice, { type: _, name, ...lease }, at) =>
      slice.byName.get(name)?.reservations.has(lease.epoch) ? putReservation(slice, name, lease, at) : slice,
    "resource.returned": (slice, { name, epoch }, at) => removeReservation(slice, name, epoch, at),
    "resource.expired": (slice, { name, epoch }, at) => removeReservation(slice, name, epoch, at),
  },
  save: saveResources,
  load: loadResources,
  deadlines: {
    set: (event) => {
      if (event.type === "resource.offered") return [event.expiresAtMs, keyOf(event.name)];
      if (event.type === "resource.reserved" || event.type === "resource.renewed") {
        return [event.expiresAtMs, keyOf(event.name, event.epoch)];
      }
      return undefined;
    },
    all: function* (state) {
      for (const { name, expiresAtMs, reservations } of state.resources.byName.values()) {
        yield [expiresAtMs, keyOf(name)];
        for (const { epoch, expiresAtMs } of reservations.values()) yield [expiresAtMs, keyOf(name, epoch)];
      }
    },
    lapse: (state, key, { nowMs }) => {
      const slash = key.indexOf("/");
      const name = key.slice(slash + 1);
      const offer = state.resources.byName.get(name);
      if (offer === undefined) return undefined;
      if (slash === 0) {
        if (offer.expiresAtMs > nowMs) return undefined;
        return [{ type: "resource.withdrawn", name, agent: offer.agent, how: "expired" }];
      }
      const lease = offer.reservations.get(Number(key.slice(0, slash)));
      if (lease === undefined || lease.expiresAtMs > nowMs) return undefined;
      return [{ type: "resource.expired", name, agent: lease.agent, epoch: lease.epoch }];
    },
  },
  join: (state, events) => {
    const withdrawn: ResourceEvent[] = [];
    for (const event of events) {
      if (event.type !== "agent.gone") continue;
      for (const name of state.resources.offers.get(event.agent) ?? []) {
        withdrawn.push({ type: "resource.withdrawn", name, agent: event.agent, how: "gone" });
      }
    }
    return withdrawn;
  },
  answer: {
    "resource.offered": ({ name, capacity, expiresAtMs }) => ({ name, capacity, expiresAtMs }),
    "resource.reserved": ({ type: _, agent, ...lease }) => ({ ...lease, holder: agent }),
    "resource.renewed": ({ type: _, agent, ...lease }) => ({ ...lease, holder: agent }),
  },
};

/** A resource as it is listed. */
export interface ResourceView extends Omit<Resource, "reservations" | "used"> {
  readonly free: number;
  readonly remainingMs: number;
  /** Oldest first, at most `limits.partsShown`. */
  readonly reservations: readonly Reservation[];
}

export const resourceQueries = {
  "resources.list": query(
    "What is offered, by name: how much of it is free, and who has the rest until when.",
    { ...paging, kind: optional(id), agent: optional(id), name: optional(id) },
    (state, params, { nowMs }): Page<ResourceView> => {
      const from = params.cursor ?? "";
      const names = [...state.resources.byName.keys()].filter((name) => name >= from).sort(byCodeUnit);
      return page(
        names.map((name) => [name, name] as const),
        params,
        (name) => {
          const offer = state.resources.byName.get(name);
          if (offer === undefined || (params.name !== undefined && params.name !== name)) return undefined;
          if (params.kind !== undefined && params.kind !== offer.kind) return undefined;
          if (params.agent !== undefined && params.agent !== offer.agent) return undefined;
          return view(offer, nowMs);
        },
      );
    },
  ),
} as const;

function view({ used, reservations, ...offer }: Resource, nowMs: number): ResourceView {
  const shown: Reservation[] = [];
  for (const reservation of reservations.values()) {
    if (shown.length === limits.partsShown) break;
    shown.push(reservation);
  }
  const { capacity, expiresAtMs } = offer;
  return { ...offer, free: capacity - used, remainingMs: expiresAtMs - nowMs, reservations: shown };
}

function reserve(
  state: State,
  command: Extract<ResourceCommand, { type: "resource.reserve" }>,
  context: Context,
) {
  const { name, epoch } = command;
  const { agent, nowMs } = context;
  const offer = state.resources.byName.get(name);
  if (offer === undefined) return reject("resource.unknown", { name });
  const before = epoch === undefined ? undefined : heldReservation(state, name, epoch, context);
  if (before !== undefined && "rejection" in before) return before;
  const { units = before?.units ?? 1, ttlMs = before?.ttlMs ?? limits.ttlMsDefault } = command;
  const free = offer.capacity - offer.used;
  if (units > free + (before?.units ?? 0)) return exhausted(offer, units, before, nowMs);
  const held = state.resources.holdings.get(agent) ?? 0;
  if (before === undefined && held >= limits.reservationsPerAgentMax) {
    return reject("resource.quota", { agent, max: limits.reservationsPerAgentMax });
  }
  const expiresAtMs = Math.min(nowMs + ttlMs, offer.expiresAtMs);
  const note = command.note ?? before?.note;
  return accept({
    type: before === undefined ? "resource.reserved" : "resource.renewed",
    name,
    agent,
    epoch: before?.epoch ?? context.seq,
    units,
    ttlMs,
    expiresAtMs,
    ...(note === undefined ? {} : { note }),
  });
}

/** The reservation, when `context.agent` holds it under this epoch; else the refusal. */
function heldReservation(
  state: State,
  name: string,
  epoch: number,
  { agent }: Context,
): Reservation | ReturnType<typeof reject> {
  const offer = state.resources.byName.get(name);
  if (offer === undefined) return reject("resource.unknown", { name });
  const reservation = offer.reservations.get(epoch);
  if (reservation === undefined) return reject("resource.stale", { name, epoch });
  return reservation.agent === agent
    ? reservation
    : reject("resource.not-holder", { name, holder: reservation.agent });
}

/** The refusal when too little is free, with the time by which the leases on enough of it end (RE2). */
function exhausted(offer: Resource, wanted: number, mine: Reservation | undefined, nowMs: number) {
  const { name, capacity, reservations } = offer;
  const free = capacity - offer.used;
  const others = [...reservations.values()].filter(({ epoch }) => epoch !== mine?.epoch);
  let gathered = free + (mine?.units ?? 0);
  for (const { units, expiresAtMs } of others.sort((a, b) => a.expiresAtMs - b.expiresAtMs)) {
    gathered += units;
    if (gathered < wanted) continue;
    return reject("resource.exhausted", {
      name,
      free,
      capacity,
      next: expiresAtMs,
      remainingMs: expiresAtMs - nowMs,
    });
  }
  return reject("resource.exhausted", { name, free, capacity });
}

/** `/NAME` for an offer, `EPOCH/NAME` for a reservation. */
function keyOf(name: string, epoch?: number): string {
  return `${epoch ?? ""}/${name}`;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
