/**
 * Frames: JSON-RPC 2.0 messages, how they are made and how an incoming one is told apart.
 */
import { limits } from "../limits.ts";

/** Identifies a request within its connection. */
export type RequestId = string | number;

export interface RequestMessage {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
  readonly method: string;
  readonly params?: unknown;
}
export interface NotificationMessage {
  readonly jsonrpc: "2.0";
  readonly method: string;
  readonly params?: unknown;
}
export interface ReplyMessage {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
  readonly result: unknown;
}
export interface ErrorBody {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}
export interface ErrorMessage {
  readonly jsonrpc: "2.0";
  /** `null` where the request's id could not be read. */
  readonly id: RequestId | null;
  readonly error: ErrorBody;
}
export type Message = RequestMessage | NotificationMessage | ReplyMessage | ErrorMessage;

/**
 * What the `code` of an error says. Only after `indefinite` is it unknown whether the command took effect.
 */
export const codes = {
  /** Refused by the model; `data` is the rejection. Without effect. */
  rejection: 1,
  /** It may have happened: submit the same id again to find out. */
  indefinite: 2,
  /** It certainly did not happen. */
  definite: 3,
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  /** `data.at` is the failing field, `data.why` what is wrong with it. */
  invalidParams: -32602,
} as const;

export function request(id: RequestId, method: string, params?: unknown): RequestMessage {
  return params === undefined ? { jsonrpc: "2.0", id, method } : { jsonrpc: "2.0", id, method, params };
}

export function notification(method: string, params?: unknown): NotificationMessage {
  return params === undefined ? { jsonrpc: "2.0", method } : { jsonrpc: "2.0", method, params };
}

/** A successful answer; `undefined` becomes `null`, since a reply must have a result. */
export function reply(id: RequestId, result: unknown): ReplyMessage {
  return { jsonrpc: "2.0", id, result: result === undefined ? null : result };
}

export function errorReply(
  id: RequestId | null,
  code: number,
  message: string,
  data?: unknown,
): ErrorMessage {
  const error = data === undefined ? { code, message } : { code, message, data };
  return { jsonrpc: "2.0", id, error };
}

/** A message that is no message: what to answer with `errorReply`. */
export interface Unusable {
  readonly kind: "problem";
  readonly id: RequestId | null;
  readonly code: number;
  /** The failing field of the params (as in `Problem`); empty where it is the message itself. */
  readonly at: string;
  readonly why: string;
}

/** An incoming message by its kind. */
export type Incoming =
  | { readonly kind: "request"; readonly id: RequestId; readonly method: string; readonly params: object }
  | { readonly kind: "notification"; readonly method: string; readonly params: object }
  | { readonly kind: "reply"; readonly id: RequestId; readonly result: unknown }
  | { readonly kind: "error"; readonly id: RequestId | null; readonly error: ErrorBody }
  | Unusable;

/** Stands for absent params; frozen, since it is shared. */
const NONE: object = Object.freeze({});

/**
 * Whether it can be echoed as an id: a finite number, or a well-formed string of at most `limits.idMax`
 * units.
 */
export function isRequestId(id: unknown): id is RequestId {
  if (typeof id === "string") return id.length <= limits.idMax && id.isWellFormed();
  return typeof id === "number" && Number.isFinite(id);
}

/** A problem with a message, to be answered under its id where that can be echoed. */
export function unusable(id: unknown, code: number, why: string, at = ""): Unusable {
  return { kind: "problem", id: isRequestId(id) ? id : null, code, at, why };
}

function isErrorBody(error: unknown): error is ErrorBody {
  if (typeof error !== "object" || error === null) return false;
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return typeof code === "number" && typeof message === "string";
}

function classifyAnswer(message: {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}): Incoming {
  const { id, result, error } = message;
  if (error !== undefined) {
    if (result !== undefined) return unusable(id, codes.invalidRequest, "has both a result and an error");
    if (!isErrorBody(error)) return unusable(id, codes.invalidRequest, "`error` needs a code and a message");
    if (id !== null && !isRequestId(id))
      return unusable(id, codes.invalidRequest, "`id` must be a string or a number");
    return { kind: "error", id, error };
  }
  if (result === undefined) return unusable(id, codes.invalidRequest, "has no `method`");
  if (!isRequestId(id)) return unusable(id, codes.invalidRequest, "`id` must be a string or a number");
  return { kind: "reply", id, result };
}

/**
 * Tells what one decoded message is. Absent params are an empty object; params by position are a problem,
 * as every method takes them by name. An absent or null id makes a notification. Never throws.
 */
export function classify(message: unknown): Incoming {
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    return unusable(null, codes.invalidRequest, "a message must be an object");
  }
  const { jsonrpc, id, method, params } = message as { readonly [key: string]: unknown };
  if (jsonrpc !== "2.0") return unusable(id, codes.invalidRequest, '`jsonrpc` must be "2.0"');
  if (method === undefined) return classifyAnswer(message);
  if (typeof method !== "string") return unusable(id, codes.invalidRequest, "`method` must be a string");
  if (id !== undefined && id !== null && !isRequestId(id)) {
    const why = `\`id\` must be a finite number or a string of at most ${limits.idMax} characters`;
    return unusable(null, codes.invalidRequest, why);
  }
  if (params !== undefined && (typeof params !== "object" || params === null || Array.isArray(params))) {
    return unusable(id, codes.invalidParams, "`params` must be an object");
  }
  const named = params ?? NONE;
  return id === undefined || id === null
    ? { kind: "notification", method, params: named }
    : { kind: "request", id, method, params: named };
}

/**
 * The messages of a frame: those of a batch, or the one it is. An empty or too long batch is one problem.
 */
export function messages(value: unknown): readonly unknown[] | Unusable {
  if (!Array.isArray(value)) return [value];
  if (value.length === 0) return unusable(null, codes.invalidRequest, "a batch must not be empty");
  if (value.length <= limits.batchMax) return value;
  return unusable(null, codes.invalidRequest, `a batch must have at most ${limits.batchMax} messages`);
}
