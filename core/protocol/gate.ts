/**
 * The gate: which web peers may knock at all, decided from addresses and headers before anything is parsed.
 *
 * A page in a browser can open a WebSocket to any address, and a name an attacker owns can be made to
 * point at 127.0.0.1. So a foreign `Origin` and an unknown `Host` are refused, on loopback too. Pure:
 * the transports that speak HTTP bring the values.
 */

/** What one listener lets in. */
export interface Gate {
  /** The host that was bound: a name, an address, or `0.0.0.0` / `::` for all. */
  readonly boundHost: string;
  /** Further names by which this hub may be called; without port. */
  readonly allowedHosts: readonly string[];
  /** Origins of pages that may call besides the hub's own, e.g. `https://dash.example`. */
  readonly allowedOrigins: readonly string[];
}

/** Headers as Node gives them: names in lower case. */
export interface Headers {
  readonly [name: string]: string | readonly string[] | undefined;
}

const FORWARDING = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] as const;

/** Why a request is refused at the gate, as a sentence; `undefined` when it may pass. */
export function refusedAtGate(gate: Gate, headers: Headers): string | undefined {
  const host = single(headers.host);
  if (host === undefined) return "The request names no Host.";
  const name = hostName(host);
  if (name === undefined || !hostAllowed(gate, name)) {
    return `This hub is not called ${printable(host)}; allow that host if it should be.`;
  }
  if (headers.origin === undefined) return undefined;
  const origin = single(headers.origin);
  if (origin === undefined || !originAllowed(gate, origin, host)) {
    const whose = printable(origin ?? "several origins");
    return `Pages of ${whose} may not call this hub; allow that origin if they should.`;
  }
  return undefined;
}

/** Whether an IP address as a socket gives it is of this machine's loopback. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  return plain === "::1" || /^127(\.\d{1,3}){3}$/.test(plain);
}

/** Whether a host name, without port, can only mean this machine. */
export function isLoopbackHost(host: string): boolean {
  const name = plainName(host);
  return name === "localhost" || name.endsWith(".localhost") || isLoopbackAddress(name);
}

/** Whether a request comes from this machine itself; one that a proxy passed on does not. */
export function isLocalRequest(address: string | undefined, headers: Headers): boolean {
  return isLoopbackAddress(address) && FORWARDING.every((name) => headers[name] === undefined);
}

/** The token of an `Authorization: Bearer` header. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +([\w.~+/=-]{1,4096}) *$/i.exec(authorization ?? "")?.[1];
}

function hostAllowed(gate: Gate, name: string): boolean {
  const bound = plainName(gate.boundHost);
  if (isLoopbackHost(name) || name === bound) return true;
  // A rebound name is still a name: an address in Host was typed by someone who meant it.
  if (!isLoopbackHost(bound) && isAddress(name)) return true;
  return gate.allowedHosts.some((allowed) => plainName(allowed) === name);
}

function originAllowed(gate: Gate, origin: string, host: string): boolean {
  const wanted = origin.toLowerCase();
  if (gate.allowedOrigins.some((allowed) => allowed.toLowerCase().replace(/\/$/, "") === wanted)) return true;
  const parts = /^(https?):\/\/([^/?#@\s]+)$/.exec(wanted);
  if (parts === null) return false;
  const standard = parts[1] === "https" ? /:443$/ : /:80$/;
  return parts[2]?.replace(standard, "") === host.toLowerCase().replace(standard, "");
}

/** The name of `name[:port]` or `[address][:port]`. */
function hostName(host: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(host);
  return match?.[1] === undefined ? undefined : plainName(match[1]);
}

function plainName(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}

function isAddress(name: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || name.includes(":");
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function printable(text: string): string {
  return JSON.stringify(text.replace(/[^\x20-\x7e]/g, "?").slice(0, 100));
}
