/**
 * What goes along with each POST of a link, so that one that comes twice, too late or altered is noticed.
 *
 * A line that repeats bytes leaves answers on a kept connection that belong to nothing: without numbers the
 * next POST would take one of them for its own, and the one behind it overtake it.
 */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Which link a POST belongs to. */
export const LINK_HEADER = "holdfast-link";
/** Which POST of its link it is, from 1 on without holes; its answer carries the same. */
export const POST_HEADER = "holdfast-post";
const DIGEST_HEADER = "content-digest";

/** The headers of a POST or DELETE with this body. */
export function postHeaders(link: string, number: number, body: string): { [name: string]: string } {
  return { [LINK_HEADER]: link, [POST_HEADER]: `${number}`, [DIGEST_HEADER]: digestOf(body) };
}

/** The number a message's headers carry; `undefined` where they carry none. */
export function numberIn(headers: IncomingHttpHeaders): number | undefined {
  const said = headers[POST_HEADER];
  return typeof said === "string" && /^\d{1,15}$/.test(said) ? Number(said) : undefined;
}

/** Whether the body is the one that was sent, as far as its sender said what that is. */
export function isWhole(headers: IncomingHttpHeaders, body: string): boolean {
  const said = headers[DIGEST_HEADER];
  return said === undefined || said === digestOf(body);
}

/** RFC 9530. */
function digestOf(body: string): string {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}
