/**
 * Calling a listener in the same process.
 */
import { Failure } from "../../core/failures.ts";
import type { Connection, ConnectOptions } from "../../core/ports/transport.ts";
import { memoryListener } from "./listener.ts";

/** Connects to `memory:NAME`; throws `hub.unreachable` when nobody in this process listens there. */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const call = memoryListener(url);
  if (call === undefined) {
    throw new Failure("hub.unreachable", `Nobody listens at ${url} in this process.`, { fields: { url } });
  }
  return call(options.codec ?? "json", options.token);
}
