/**
 * AsyncAPI 3.0 of the WebSocket transport, made from the tables that the program itself checks with.
 * The frames are the same on every other transport.
 */
import { componentName, entrySchema, eventSchemas, methodSchemas } from "./openapi.ts";

const jsonrpc = { const: "2.0" };

/** The document as a plain value. `host` is `HOST:PORT` where this hub was reached. */
export function asyncapi(host: string): object {
  const messages: Record<string, object> = {};
  const toHub: string[] = [];
  for (const { method, params, doc } of methodSchemas()) {
    const name = componentName("request", method);
    toHub.push(name);
    messages[name] = {
      name: method,
      ...(doc === "" ? {} : { summary: doc }),
      contentType: "application/json",
      payload: {
        type: "object",
        required: ["jsonrpc", "id", "method"],
        properties: { jsonrpc, id: { type: ["string", "number"] }, method: { const: method }, params },
      },
    };
  }
  Object.assign(messages, fromHub());
  const refs = (names: readonly string[], at: string) => names.map((name) => ({ $ref: `${at}/${name}` }));
  const inChannel = "#/channels/session/messages";
  const all = Object.keys(messages);
  const schemas = Object.fromEntries(
    eventSchemas().map(({ type, schema }) => [componentName("event", type), schema]),
  );
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Holdfast",
      version: "1",
      description: "JSON-RPC 2.0, one message or batch a frame. The first request is session.open.",
      license: { name: "MIT" },
    },
    defaultContentType: "application/json",
    servers: { hub: { host: host === "" ? "127.0.0.1" : host, protocol: "ws" } },
    channels: {
      session: {
        address: "/",
        messages: Object.fromEntries(all.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
        bindings: { ws: { method: "GET", bindingVersion: "0.1.0" } },
      },
    },
    operations: {
      request: {
        action: "receive",
        channel: { $ref: "#/channels/session" },
        messages: refs(toHub, inChannel),
      },
      tell: {
        action: "send",
        channel: { $ref: "#/channels/session" },
        messages: refs(Object.keys(fromHub()), inChannel),
      },
    },
    components: { messages, schemas },
  };
}

function fromHub(): Record<string, object> {
  const message = (name: string, summary: string, required: readonly string[], properties: object) => ({
    name,
    summary,
    contentType: "application/json",
    payload: { type: "object", required: ["jsonrpc", ...required], properties: { jsonrpc, ...properties } },
  });
  const body = {
    type: "object",
    required: ["code", "message"],
    properties: { code: { type: "integer" }, message: { type: "string" }, data: { type: "object" } },
  };
  const seq = { type: "object", required: ["seq"], properties: { seq: { type: "integer", minimum: 0 } } };
  return {
    reply: message("reply", "What a request is answered with.", ["id", "result"], {
      id: { type: ["string", "number"] },
      result: {},
    }),
    error: message("error", "Why a request was not done.", ["id", "error"], {
      id: { type: ["string", "number", "null"] },
      error: body,
    }),
    entry: message("entry", "An entry of the log, to a follower.", ["method", "params"], {
      method: { const: "entry" },
      params: entrySchema(),
    }),
    cursor: message("cursor", "How far a filtered follower has come.", ["method", "params"], {
      method: { const: "cursor" },
      params: seq,
    }),
  };
}
