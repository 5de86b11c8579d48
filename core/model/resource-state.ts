/**
 * The resources' part of the state, and the only functions that change it.
 *
 * Invariant: the units reserved of a resource are never more than its capacity, in a log that `decide`
 * wrote; every epoch is the seq of the entry that granted it. `used`, `offers` and `holdings` say the same
 * as `byName`, counted.
 */
import { KeyMap } from "./map.ts";
import { SeqMap } from "./seq-map.ts";
import type { At, Row } from "./slice.ts";

/** Units of a resource under a lease. Times are log time. */
export interface Reservation {
  readonly agent: string;
  readonly epoch: number;
  readonly units: number;
  readonly ttlMs: number;
  readonly expiresAtMs: number;
  readonly note?: string;
}

/** Something an agent lets others use. */
export interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly agent: string;
  readonly capacity: number;
  readonly ttlMs: number;
  readonly expiresAtMs: number;
  readonly offeredAtMs: number;
  readonly meta?: { readonly [key: string]: unknown };
  /** By epoch. */
  readonly reservations: SeqMap<Reservation>;
  /** Units reserved. */
  readonly used: number;
}

export interface ResourcesState {
  readonly byName: KeyMap<Resource>;
  /** The names each agent offers, in the order of offering. */
  readonly offers: KeyMap<readonly string[]>;
  /** How many reservations each agent holds. */
  readonly holdings: KeyMap<number>;
}

/** Before the first entry. */
export const noResources: ResourcesState = {
  byName: KeyMap.empty(),
  offers: KeyMap.empty(),
  holdings: KeyMap.empty(),
};

/** Adds or replaces an offer; its reservations stay. */
export function putOffer(
  slice: ResourcesState,
  offer: Omit<Resource, "reservations" | "used" | "offeredAtMs">,
  at: At,
): ResourcesState {
  const before = slice.byName.get(offer.name);
  const { reservations = SeqMap.empty<Reservation>(), used = 0, offeredAtMs = at.atMs } = before ?? {};
  const kept = before === undefined || before.agent === offer.agent ? slice : unlisted(slice, before, at);
  const names = kept.offers.get(offer.agent) ?? [];
  const listed = names.includes(offer.name) ? names : [...names, offer.name];
  return {
    ...kept,
    byName: kept.byName.set(offer.name, { ...offer, reservations, used, offeredAtMs }, at.edit),
    offers: kept.offers.set(offer.agent, listed, at.edit),
  };
}

/** Takes an offer away, and whatever was reserved of it. */
export function removeOffer(slice: ResourcesState, name: string, at: At): ResourcesState {
  const offer = slice.byName.get(name);
  if (offer === undefined) return slice;
  let { holdings } = slice;
  for (const { agent } of offer.reservations.values()) holdings = counted(holdings, agent, -1, at);
  return { ...unlisted(slice, offer, at), byName: slice.byName.delete(name, at.edit), holdings };
}

/** Adds a reservation, or replaces the one of its epoch. */
export function putReservation(
  slice: ResourcesState,
  name: string,
  reservation: Reservation,
  at: At,
): ResourcesState {
  const offer = slice.byName.get(name);
  if (offer === undefined) return slice;
  const before = offer.reservations.get(reservation.epoch);
  const reservations = offer.reservations.set(reservation.epoch, reservation, at.edit);
  const used = offer.used - (before?.units ?? 0) + reservation.units;
  let { holdings } = slice;
  if (before?.agent !== reservation.agent) {
    if (before !== undefined) holdings = counted(holdings, before.agent, -1, at);
    holdings = counted(holdings, reservation.agent, 1, at);
  }
  return { ...slice, byName: slice.byName.set(name, { ...offer, reservations, used }, at.edit), holdings };
}

/** Takes a reservation away, if there is one of this epoch. */
export function removeReservation(
  slice: ResourcesState,
  name: string,
  epoch: number,
  at: At,
): ResourcesState {
  const offer = slice.byName.get(name);
  const before = offer?.reservations.get(epoch);
  if (offer === undefined || before === undefined) return slice;
  const reservations = offer.reservations.delete(epoch, at.edit);
  const used = offer.used - before.units;
  return {
    ...slice,
    byName: slice.byName.set(name, { ...offer, reservations, used }, at.edit),
    holdings: counted(slice.holdings, before.agent, -1, at),
  };
}

export function* saveResources(slice: ResourcesState): IterableIterator<Row> {
  for (const { reservations, used: _, ...offer } of slice.byName.values()) {
    yield ["offer", offer];
    for (const reservation of reservations.values()) yield ["reservation", offer.name, reservation];
  }
  // The order of a list is the order of offering, which rows do not keep.
  for (const [agent, names] of slice.offers) yield ["offers", agent, names];
}

export function loadResources(rows: Iterable<Row>): ResourcesState {
  const offers: Omit<Resource, "reservations" | "used">[] = [];
  const lists: [string, readonly string[]][] = [];
  const reserved = new Map<string, Reservation[]>();
  const holdings = new Map<string, number>();
  for (const [part, first, second] of rows) {
    if (part === "offer") offers.push(first as Resource);
    else if (part === "offers") lists.push([first as string, second as readonly string[]]);
    else {
      const reservation = second as Reservation;
      const list = reserved.get(first as string);
      if (list === undefined) reserved.set(first as string, [reservation]);
      else list.push(reservation);
      holdings.set(reservation.agent, (holdings.get(reservation.agent) ?? 0) + 1);
    }
  }
  const byName = offers.map((offer): [string, Resource] => {
    const list = reserved.get(offer.name) ?? [];
    const reservations = SeqMap.from(list.map((one) => [one.epoch, one] as const));
    return [offer.name, { ...offer, reservations, used: list.reduce((sum, { units }) => sum + units, 0) }];
  });
  return { byName: KeyMap.from(byName), offers: KeyMap.from(lists), holdings: KeyMap.from(holdings) };
}

function unlisted(slice: ResourcesState, { agent, name }: Resource, at: At): ResourcesState {
  const names = (slice.offers.get(agent) ?? []).filter((other) => other !== name);
  const offers =
    names.length === 0 ? slice.offers.delete(agent, at.edit) : slice.offers.set(agent, names, at.edit);
  return { ...slice, offers };
}

function counted(holdings: KeyMap<number>, agent: string, by: number, at: At): KeyMap<number> {
  const count = (holdings.get(agent) ?? 0) + by;
  return count <= 0 ? holdings.delete(agent, at.edit) : holdings.set(agent, count, at.edit);
}
