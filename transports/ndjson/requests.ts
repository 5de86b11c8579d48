/**
 * Lines of a spool as a session needs them: opened for the agent, each command under a submission of
 * its own, and counted until it is answered.
 */
import { createHash } from "node:crypto";
import { limits } from "../../core/limits.ts";
import { tables } from "../../core/model/model.ts";
import { decode } from "../../core/protocol/codec.ts";
import { notification, request } from "../../core/protocol/frame.ts";

/** Notifications that a spool's two ends exchange; they are no frames, and plain readers pass over them. */
export const signs = {
  /** The first line of a caller that holds a connection: `{link}`, which the hub repeats. */
  open: "spool.open",
  opened: "spool.opened",
  /** Either end closes: `{reason, words?}`. */
  close: "spool.close",
} as const;

/** A sign as a line without its end. */
export function sign(method: string, params: object): string {
  return JSON.stringify(notification(method, params));
}

/** A sign in a line, if it is one. */
export function signIn(line: string): { readonly method: string; readonly params: SignParams } | undefined {
  if (!line.includes('"spool.')) return undefined;
  const decoded = decode(line);
  if ("problem" in decoded || typeof decoded.value !== "object" || decoded.value === null) return undefined;
  const { method, params } = decoded.value as { readonly method?: unknown; readonly params?: unknown };
  if (typeof method !== "string" || !Object.values<string>(signs).includes(method)) return undefined;
  return { method, params: (typeof params === "object" && params !== null ? params : {}) as SignParams };
}

/** What a sign may carry; whoever wrote it. */
export interface SignParams {
  readonly link?: unknown;
  readonly reason?: unknown;
  readonly words?: unknown;
}

/** A line to be handed on. */
export interface Ready {
  readonly frame: string;
  /** The ids of its requests as JSON; each will be answered once. */
  readonly ids: readonly string[];
  /** Whether it needs an open session and does not begin by opening one. */
  readonly needsSession: boolean;
}

/**
 * Makes a line ready, or says what is wrong with it. `origin` names the file, so that a new one begins
 * anew.
 */
export function readyLine(text: string, origin: string): Ready | { readonly problem: string } {
  const decoded = decode(text);
  if ("problem" in decoded) return { problem: `is ${decoded.problem}` };
  const { value } = decoded;
  const messages = Array.isArray(value) ? value : [value];
  const requests = messages.filter(isRequest);
  let changed = false;
  const named = messages.map((message, at) => {
    if (!isRequest(message) || !Object.hasOwn(tables.commands, message.method)) return message;
    const params = (message.params ?? {}) as { readonly submission?: unknown };
    if (typeof params !== "object" || params === null || params.submission !== undefined) return message;
    changed = true;
    return { ...message, params: { ...params, submission: submissionOf(text, at, origin) } };
  });
  return {
    frame: changed ? JSON.stringify(Array.isArray(value) ? named : named[0]) : text,
    // A batch that is too long is refused as a whole, with one answer that is for no id.
    ids: messages.length > limits.batchMax ? [] : idsOf(requests),
    needsSession: requests.length > 0 && requests[0]?.method !== "session.open",
  };
}

/**
 * The same line of the same file is the same submission: read again after a restart, or written twice
 * by a medium that repeats, it has one effect. So a request that is meant anew needs another id, as
 * JSON-RPC asks for anyway.
 */
function submissionOf(text: string, at: number, origin: string): string {
  return createHash("sha256").update(`${origin}\n${at}\n${text}`).digest("base64url").slice(0, 22);
}

function idsOf(requests: readonly AnyRequest[]): readonly string[] {
  return requests.filter(({ id }) => id !== undefined && id !== null).map(({ id }) => JSON.stringify(id));
}

interface AnyRequest {
  readonly id?: unknown;
  readonly method: string;
  readonly params?: unknown;
}

function isRequest(message: unknown): message is AnyRequest {
  return (
    typeof message === "object" && message !== null && typeof (message as AnyRequest).method === "string"
  );
}

/**
 * Id of the `session.open` made for an agent that did not send one; its reply is not the agent's
 * business.
 */
export const OPENING = "spool:open";

/** The frame that opens a session for an agent. */
export function openingFrame(agent: string): string {
  return JSON.stringify(request(OPENING, "session.open", { agent }));
}

/**
 * The error of a reply that refuses a session, with what to do about it; `undefined` where it was opened.
 * `tokenProblem` says why the token in the folder was not used.
 */
export function refusalOf(frame: string, tokenProblem: string): object | undefined {
  const { error } = JSON.parse(frame) as {
    readonly error?: { readonly message: string; readonly data?: object };
  };
  if (error === undefined) return undefined;
  const { code } = (error.data ?? {}) as { readonly code?: unknown };
  if (code !== "session.refused") return error;
  const advice =
    tokenProblem === ""
      ? "Write your token into the file `token` of this folder, which only you may read (chmod 600)"
      : `The file \`token\` of this folder is not used: ${tokenProblem}`;
  return { ...error, message: `${error.message} ${advice}.` };
}

/** A reply with this error instead of its own, and for another id where one is given. */
export function withRefusal(frame: string, error: object, id?: null): string {
  const reply = JSON.parse(frame) as { readonly id: unknown };
  return JSON.stringify({ jsonrpc: "2.0", id: id === undefined ? reply.id : id, error });
}

/** The id a reply is for, as JSON; `undefined` where the frame is no reply. */
export function repliedId(frame: string): string | undefined {
  const quick = /^\{"jsonrpc":"2\.0","id":("(?:[^"\\]|\\.)*"|-?[\d.eE+-]+|null),/.exec(frame)?.[1];
  return quick;
}
