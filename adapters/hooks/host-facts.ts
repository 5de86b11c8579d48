/**
 * The form in which a host's differences are written down: where its events keep what matters, what its
 * tools write, and how each part of a verdict is said to it. Pure data; `normalise` and `answer` read it.
 */
import type { Moment, Verdict } from "./event.ts";

/** Stands in a form for the text that is said, and for the host's own name of the event. */
export const TEXT = "{text}";
export const EVENT = "{event}";

/**
 * A piece of an answer: a JSON object in which `TEXT` and `EVENT` are filled in. Pieces are laid over
 * each other.
 */
export interface Form {
  readonly [field: string]: string | boolean | Form;
}

/** A part of a verdict. */
export type Part = keyof Verdict;

/** How the parts of a verdict are said at one event. A part that is not here cannot be said there. */
export type Says = { readonly [part in Part]?: Form };

/** A place in a payload: field names with dots between; `*` is every item of a list, `` the whole. */
export type Place = string;

/** One event of a host. */
export interface EventFacts {
  readonly moment: Moment;
  readonly says: Says;
  /**
   * The tool such an event is about, when its payload does not name one; its input is the payload itself.
   */
  readonly tool?: string;
  /** Speaks of a subagent; without its id nothing can be made of it. */
  readonly isSubagents?: true;
}

/** One tool of a host. */
export interface ToolFacts {
  readonly kind: "edit" | "shell";
  /** Where an edit names the files it writes. */
  readonly paths?: readonly Place[];
  /** Where a patch in the format of `apply_patch` stands. */
  readonly patch?: readonly Place[];
  /** Where a shell's command stands, and the folder it runs in. */
  readonly command?: readonly Place[];
  readonly cwd?: readonly Place[];
  /** Such a use only reads: a place and the values that say so. */
  readonly readsWhen?: { readonly place: Place; readonly values: readonly string[] };
}

/** Where the fields of every event stand; the first that is there counts. */
export interface FieldFacts {
  readonly event: readonly Place[];
  readonly session: readonly Place[];
  readonly subagent: readonly Place[];
  readonly cwd: readonly Place[];
  readonly source: readonly Place[];
  /** True, or a number above 0, when a hook has held the turn already. */
  readonly held: readonly Place[];
  readonly tool: readonly Place[];
  readonly input: readonly Place[];
  readonly use: readonly Place[];
  /** The list of uses of a batch. */
  readonly batch: readonly Place[];
  /** There when the tool failed, though the event is that of a success. */
  readonly error: readonly Place[];
}

/** Payloads that another host sends through this one's registration. */
export interface GuestFacts<Host extends string> {
  readonly host: Host;
  readonly has: readonly string[];
  readonly lacks: readonly string[];
}

/** Everything that tells one host from another. */
export interface HostFacts<Host extends string = string> {
  readonly fields: FieldFacts;
  readonly events: { readonly [event: string]: EventFacts };
  readonly tools: { readonly [tool: string]: ToolFacts };
  /** Variables of the environment, each with its values, by which the host says that nobody is there. */
  readonly print: { readonly [variable: string]: readonly string[] | "any" };
  /** Who else reads this host's hook files. */
  readonly guests: readonly GuestFacts<Host>[];
  /**
   * What the host does when a hook of ours before a tool fails: goes on, or refuses the tool. Where it
   * refuses, whatever runs the hook must end with exit code 0 at any price.
   */
  readonly onFailure: "open" | "closed";
  /**
   * Every field an answer may have, dotted. Nothing else may ever be sent: some hosts refuse the whole
   * answer.
   */
  readonly hears: readonly Place[];
}
