/**
 * Topics: how agents, entries and live state are named on a broker, and which filter matches which topic.
 *
 * A name is one level, percent-encoded, so that no name can hold a `/`, `+` or `#` of its own.
 */

/** What a topic of the hub is for. */
export type Place =
  /** A frame to the hub; `link` tells callers of one agent apart where the broker does not. */
  | { readonly kind: "request"; readonly agent: string; readonly level: string; readonly link?: string }
  /** What a caller says of its connection. */
  | {
      readonly kind: "opened" | "closed";
      readonly agent: string;
      readonly level: string;
      readonly link?: string;
    }
  /** Anything else below the prefix. */
  | { readonly kind: "other" };

/** The topics of one hub. */
export class Topics {
  readonly prefix: string;

  constructor(prefix = "holdfast") {
    this.prefix = prefix;
  }

  /** Whether a topic is the hub's, not free for everybody. */
  owns(topic: string): boolean {
    return topic === this.prefix || topic.startsWith(`${this.prefix}/`);
  }

  /** What a topic of the hub is for. */
  place(topic: string): Place {
    const [level = "", kind, ...rest] = topic.slice(this.prefix.length + 1).split("/");
    const agent = kind === "request" ? agentOf(level) : undefined;
    if (agent === undefined || rest.length > 2) return { kind: "other" };
    const last = rest[rest.length - 1];
    const note = last === "opened" || last === "closed" ? last : undefined;
    const link = note === undefined ? rest : rest.slice(0, -1);
    if (link.length > 1) return { kind: "other" };
    const [id] = link;
    return { kind: note ?? "request", agent, level, ...(id === undefined ? {} : { link: id }) };
  }

  /** Where the frames of an agent's callers go. */
  request(level: string, link?: string): string {
    return `${this.prefix}/${level}/request${link === undefined ? "" : `/${link}`}`;
  }

  /** Where they are answered. */
  response(level: string, link?: string): string {
    return `${this.prefix}/${level}/response${link === undefined ? "" : `/${link}`}`;
  }

  /** The agent and level of a filter that names one agent's answers and no other's. */
  heardBy(filter: string): { readonly agent: string; readonly level: string } | undefined {
    if (!filter.startsWith(`${this.prefix}/`)) return undefined;
    const [level = "", kind, ...rest] = filter.slice(this.prefix.length + 1).split("/");
    const hears = rest.length === 0 && (kind === "response" || kind === "+" || kind === "#");
    const below = kind === "response" && rest.length === 1 && rest[0] === "#";
    const agent = hears || below ? agentOf(level) : undefined;
    return agent === undefined || level === "+" ? undefined : { agent, level };
  }

  /** Where entries with an event of this type are told. */
  log(type: string): string {
    const dot = type.indexOf(".");
    return `${this.prefix}/log/${levelOf(type.slice(0, dot))}/${levelOf(type.slice(dot + 1))}`;
  }

  /** Where the live state of one thing is kept. */
  state(kind: "claims" | "tasks" | "agents", id: string): string {
    return `${this.prefix}/state/${kind}/${levelOf(id)}`;
  }

  /** Who serves this prefix now: retained, empty when nobody does. */
  get online(): string {
    return `${this.prefix}/hub/online`;
  }
}

/** A name as one topic level. */
export function levelOf(name: string): string {
  return encodeURIComponent(name);
}

/** The name a level stands for; `undefined` for what cannot be one. */
export function agentOf(level: string): string | undefined {
  if (level === "" || level === "+" || level === "#" || RESERVED.has(level)) return undefined;
  try {
    return decodeURIComponent(level);
  } catch {
    return undefined;
  }
}

/** Levels that are the hub's own. */
const RESERVED: ReadonlySet<string> = new Set(["log", "state", "hub"]);

/** Whether a filter is well formed (MQTT 3.1.1, 4.7.1). */
export function isFilter(filter: string): boolean {
  const levels = filter.split("/");
  return levels.every(
    (level, at) => level === "+" || (level === "#" ? at === levels.length - 1 : !/[+#]/.test(level)),
  );
}

/** Whether a filter matches a topic (MQTT 3.1.1, 4.7). */
export function matches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  const wanted = filter.split("/");
  const levels = topic.split("/");
  if (topic.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false;
  for (let at = 0; at < wanted.length; at++) {
    if (wanted[at] === "#") return true;
    if (at >= levels.length || (wanted[at] !== "+" && wanted[at] !== levels[at])) return false;
  }
  return wanted.length === levels.length;
}
