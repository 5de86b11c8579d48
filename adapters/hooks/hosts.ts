/**
 * The differences between the hosts, as data: one line a host.
 */
import type { HookEvent, Host } from "./event.ts";
import type { EventFacts, HostFacts, Part } from "./host-facts.ts";
import { claude, codex, copilot } from "./hosts-claude.ts";
import { cursor, gemini, opencode } from "./hosts-own.ts";

/** What is known of each host. */
export const hosts: { readonly [host in Host]: HostFacts<Host> } = {
  claude,
  codex,
  copilot,
  gemini,
  cursor,
  opencode,
};

/** The host of that name; nothing for a name that is none. */
export function hostNamed(name: string): Host | undefined {
  return Object.hasOwn(hosts, name) ? (name as Host) : undefined;
}

/** What is known of an event by the host's own name of it; nothing when it does not matter here. */
export function eventFacts(host: Host, event: string): EventFacts | undefined {
  const { events } = hosts[host];
  return Object.hasOwn(events, event) ? events[event] : undefined;
}

/**
 * Whether a part of a verdict reaches whom it is for at this event. Only what can be said may be counted as
 * delivered; a warning that cannot goes to the host's log (stderr).
 */
export function canSay(event: Pick<HookEvent, "host" | "event">, part: Part): boolean {
  return eventFacts(event.host, event.event)?.says[part] !== undefined;
}
