/**
 * Filters: which entries a follower wants; the same on both ends.
 */
import type { Entry } from "../model/slice.ts";

/** Absent fields: all entries. With both, one event of the entry must fit both. */
export interface Filter {
  /** Event types, `claim.granted`, or all of a noun, `claim.*`. */
  readonly events?: readonly string[];
  /** Names of agents, claims, tasks … of which an event, or the entry's `by`, mentions one. */
  readonly about?: readonly string[];
}

/** The filter as a question; `undefined` when it lets everything through. */
export function wanted({ events, about }: Filter): ((entry: Entry) => boolean) | undefined {
  if (events === undefined && about === undefined) return undefined;
  const types = new Set(events?.filter((type) => !type.endsWith(".*")));
  const nouns = (events ?? []).filter((type) => type.endsWith(".*")).map((type) => type.slice(0, -1));
  const names = about && new Set(about);
  return (entry) =>
    entry.events.some((event) => {
      const { type } = event;
      if (events !== undefined && !types.has(type) && !nouns.some((noun) => type.startsWith(noun)))
        return false;
      return names === undefined || names.has(entry.by) || mentions(event, names);
    });
}

/** Whether a field of an event is, or lists, one of the names. */
function mentions(event: object, names: ReadonlySet<string>): boolean {
  for (const value of Object.values(event)) {
    if (typeof value === "string" && names.has(value)) return true;
    if (Array.isArray(value) && value.some((one) => typeof one === "string" && names.has(one))) return true;
  }
  return false;
}
