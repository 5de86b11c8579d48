/**
 * Recipients: whom an address means at the moment a message is posted.
 *
 * An address is a name, `role:R`, `project/*`, `#channel` or `all`. Roles and patterns mean agents that
 * are not gone; names and members mean whoever bears the name, now or later. `all` is not resolved: it
 * stays a broadcast.
 *
 * Invariant: recipients are sorted, without repeats, and the sender is never among them (ME2).
 */
import { limits } from "../limits.ts";
import { byCodeUnit, isKnown } from "./agents.ts";
import { channelNamed, membersOf, unknownChannel } from "./channels.ts";
import { invalid } from "./log.ts";
import type { State } from "./model.ts";
import { presenceOf } from "./presence.ts";
import type { Rejection } from "./slice.ts";

/** To whom a message goes. */
export interface Recipients {
  readonly recipients: readonly string[];
  readonly broadcast: boolean;
  /** The first channel it was addressed to. */
  readonly channel: string | undefined;
  /**
   * Addresses nobody answers to yet. Mail to a name waits for whoever takes it; the others had nobody to
   * wait for.
   */
  readonly unknown: readonly string[];
}

/** Resolves addresses, or says which of them means nothing (ME1). */
export function recipientsOf(
  state: State,
  to: readonly string[],
  sender: string,
): Recipients | { readonly rejection: Rejection } {
  const names = new Set<string>();
  const unknown: string[] = [];
  let channel: string | undefined;
  let broadcast = false;
  for (const address of new Set(to)) {
    if (address === "all") {
      broadcast = true;
      continue;
    }
    const problem = addressProblem(address);
    if (problem !== undefined) return invalid("to", `${address.slice(0, 100)} ${problem}`);
    if (address.startsWith("#")) {
      const found = channelNamed(state, address);
      if (found === undefined) return unknownChannel(address);
      channel ??= found.channel;
      for (const member of membersOf(found)) names.add(member);
      continue;
    }
    const group = groupOf(address);
    if (group === undefined) {
      names.add(address);
      if (address !== sender && !isKnown(state, address)) unknown.push(address);
      continue;
    }
    const found = group(state).filter((name) => name !== sender);
    if (found.length === 0) unknown.push(address);
    for (const name of found) names.add(name);
  }
  names.delete(sender);
  if (broadcast) return { recipients: [], broadcast, channel, unknown };
  if (names.size > limits.recipientsMax) {
    return invalid("to", `means more than ${limits.recipientsMax} agents; post it to \`all\` instead`);
  }
  return { recipients: [...names].sort(byCodeUnit), broadcast, channel, unknown };
}

/** Who answers to `role:R` or `project/*`; `undefined` for a plain name. */
function groupOf(address: string): ((state: State) => string[]) | undefined {
  if (address.startsWith("role:")) {
    const role = address.slice("role:".length);
    return (state) => here(state, (_, agent) => agent.role === role);
  }
  if (address.endsWith("/*")) {
    const prefix = address.slice(0, -1);
    const project = address.slice(0, -2);
    return (state) => here(state, (name, agent) => name.startsWith(prefix) || agent.project === project);
  }
  return undefined;
}

function here(
  state: State,
  wanted: (name: string, agent: { readonly role?: string; readonly project?: string }) => boolean,
): string[] {
  const names: string[] = [];
  state.agents.byName.forEach((agent, name) => {
    if (wanted(name, agent) && presenceOf(state, name)?.presence !== "gone") names.push(name);
  });
  return names;
}

function addressProblem(address: string): string | undefined {
  if (address === "*") return "is no address; write `all` for everybody";
  if (address === "hub" || address === "system" || address === "log" || address === "state") {
    return "is no address: nobody can have that name";
  }
  if (address === "role:") return "names no role";
  if (address === "#") return "names no channel";
  if (address.startsWith("/") || address.endsWith("/")) return "is no address: no name has `/` at an end";
  return undefined;
}
