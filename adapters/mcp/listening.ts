/**
 * Listening: requests of the newer protocol revision to be told of changes. The SDK answers them itself, so
 * whoever has the connection looks at what comes in before it does.
 */
import { limits } from "../../core/limits.ts";

/** What a message asks to be told of; `undefined` when it asks for no such thing. */
export function listenedTo(
  message: unknown,
): { readonly id: string | number; readonly uris: readonly string[] } | undefined {
  const { method, id, params } = fieldsOf(message);
  if (method !== "subscriptions/listen" || (typeof id !== "string" && typeof id !== "number"))
    return undefined;
  const { resourceSubscriptions } = fieldsOf(fieldsOf(params).notifications);
  const uris = Array.isArray(resourceSubscriptions) ? resourceSubscriptions : [];
  return { id, uris: uris.filter((uri) => typeof uri === "string").slice(0, limits.mcpWatchedMax) };
}

/** The request that a message cancels, if it cancels one. */
export function cancelled(message: unknown): string | number | undefined {
  const { method, params } = fieldsOf(message);
  if (method !== "notifications/cancelled") return undefined;
  const { requestId } = fieldsOf(params);
  return typeof requestId === "string" || typeof requestId === "number" ? requestId : undefined;
}

/** The fields of a value, none of what has none. */
export function fieldsOf(value: unknown): { readonly [field: string]: unknown } {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
