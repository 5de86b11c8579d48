/**
 * Where a broker is, from its url: `mqtt://` is the one a hub embeds, `mqtt+client://` and
 * `mqtts+client://` are brokers that a hub joins like anybody else.
 */
import { Failure } from "../../core/failures.ts";
import { Topics } from "./topics.ts";

export interface BrokerPlace {
  /** For the client library. */
  readonly url: string;
  /** For people: without user, password and query. */
  readonly shown: string;
  readonly address: string;
  /** A broker that is not the hub's own. */
  readonly foreign: boolean;
  readonly topics: Topics;
  readonly user?: string;
  readonly password?: string;
}

/** Reads a broker's url; throws `usage` for anything else. */
export function brokerPlace(url: string): BrokerPlace {
  const match = /^(mqtts?)(\+client)?:(\/\/.*)$/i.exec(url);
  // Only urls of known schemes are taken apart fully.
  const parsed = match !== null && URL.canParse(`http:${match[3]}`) ? new URL(`http:${match[3]}`) : undefined;
  if (match === null || parsed === undefined || !/^\/?$/.test(parsed.pathname) || parsed.hash !== "") {
    throw new Failure("usage", "A broker's url has the form mqtt://HOST:PORT or mqtt+client://HOST[:PORT].", {
      fields: { url: url.replace(/\/\/[^/@]*@/, "//") },
    });
  }
  const secure = match[1]?.toLowerCase() === "mqtts";
  const foreign = match[2] !== undefined;
  const prefix = parsed.searchParams.get("prefix") ?? "holdfast";
  if (!/^[^+#$/\0][^+#\0]*$/.test(prefix) || prefix.endsWith("/") || (!foreign && parsed.search !== "")) {
    throw new Failure("usage", "A prefix is one or more topic levels, and only of a broker the hub joins.", {
      fields: { prefix },
    });
  }
  // `new URL("http://host:80")` leaves the port out, and there is no other way to tell.
  const port = /:(\d+)$/.exec((match[3] ?? "").slice(2).split(/[/?]/, 1)[0] ?? "")?.[1];
  const address = `${parsed.hostname}:${port ?? (secure ? 8883 : 1883)}`;
  return {
    url: `${secure ? "mqtts" : "mqtt"}://${address}`,
    shown: `${match[1]?.toLowerCase()}${foreign ? "+client" : ""}://${address}`,
    address,
    foreign,
    topics: new Topics(prefix),
    ...(parsed.username === "" ? {} : { user: decodeURIComponent(parsed.username) }),
    ...(parsed.password === "" ? {} : { password: decodeURIComponent(parsed.password) }),
  };
}
