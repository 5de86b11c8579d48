/**
 * OpenAPI 3.1 of the HTTP transport, made from the tables that the program itself checks with.
 */
import { limits } from "../limits.ts";
import { tables } from "../model/model.ts";
import { toJsonSchema } from "./json-schema.ts";
import { sessionMethods, submitted } from "./methods.ts";

/** What is not known of a hub but where it is. */
const VERSION = "1";

const rpcId = { type: ["string", "number"], description: "Chosen by you; the reply has the same." };

const error = {
  type: "object",
  required: ["code", "message"],
  properties: {
    code: {
      type: "integer",
      description:
        "1: refused, `data` says why. 2: it may have happened, ask again under the same submission. " +
        "3: it did not happen.",
    },
    message: { type: "string", description: "For people: what, who, until when, and what to do instead." },
    data: { type: "object", properties: { code: { type: "string", description: "Stable, for programs." } } },
  },
};

/** Every method with the schema of its params, in the order of the tables. */
export function methodSchemas(): readonly {
  readonly method: string;
  readonly params: object;
  readonly doc: string;
}[] {
  const found: { method: string; params: object; doc: string }[] = [];
  for (const [method, shape] of Object.entries(sessionMethods)) {
    found.push({ method, params: toJsonSchema(shape), doc: shape.doc });
  }
  for (const [method, shape] of Object.entries(tables.commands)) {
    const whole = submitted(shape.fields);
    found.push({ method, params: toJsonSchema(whole), doc: shape.doc ?? "" });
  }
  for (const [method, { params, doc }] of Object.entries(tables.queries)) {
    found.push({ method, params: toJsonSchema(params), doc });
  }
  return found;
}

/** Every event with its `type`, as a schema. */
export function eventSchemas(): readonly { readonly type: string; readonly schema: object }[] {
  return Object.entries(tables.events).map(([type, shape]) => {
    const schema = toJsonSchema(shape) as {
      readonly properties: object;
      readonly required?: readonly string[];
    };
    const required = ["type", ...(schema.required ?? [])];
    return {
      type,
      schema: { ...schema, properties: { type: { const: type }, ...schema.properties }, required },
    };
  });
}

/** A name as a key of `components`: letters, digits and dots. */
export function componentName(kind: string, name: string): string {
  return `${kind}.${name.replace(/[^A-Za-z0-9._-]/g, "_")}`;
}

/** The schema of an entry, as it is stored and shown. */
export function entrySchema(): object {
  const count = { type: "integer", minimum: 0 };
  return {
    type: "object",
    required: ["seq", "atMs", "wallMs", "by", "id", "events"],
    properties: {
      seq: { type: "integer", minimum: 1, description: "Position in the log; the cursor." },
      atMs: { ...count, description: "Log time in milliseconds." },
      wallMs: { type: "integer", description: "Wall time of the writer, for people." },
      by: { type: "string", description: "The agent whose command it was, or `hub`." },
      id: { type: "string", description: "The submission's id." },
      digest: { type: "string", description: "Fingerprint of the command." },
      events: {
        type: "array",
        items: { type: "object", required: ["type"], properties: { type: { type: "string" } } },
        description: "What happened; each has its `type`.",
      },
    },
  };
}

/** The document as a plain value. `url` is where this hub was reached. */
export function openapi(url: string): object {
  const schemas: Record<string, object> = {
    Error: error,
    Reply: replySchema(),
    Entry: { ...entrySchema() },
  };
  const requests: object[] = [];
  for (const { method, params, doc } of methodSchemas()) {
    const name = componentName("request", method);
    schemas[name] = {
      type: "object",
      description: doc,
      required: ["jsonrpc", "id", "method"],
      properties: { jsonrpc: { const: "2.0" }, id: rpcId, method: { const: method }, params },
    };
    requests.push({ $ref: `#/components/schemas/${name}` });
  }
  for (const { type, schema } of eventSchemas()) schemas[componentName("event", type)] = schema;
  schemas.Request = { anyOf: requests };
  return {
    openapi: "3.1.0",
    info: {
      title: "Holdfast",
      version: VERSION,
      summary: "Coordination of coding agents: claims, tasks, messages, documents on one log.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url }],
    security: [{}, { token: [] }],
    paths: { ...rpcPath(), ...entriesPath(), ...smallPaths() },
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      parameters: {
        agent: {
          name: "Holdfast-Agent",
          in: "header",
          description: "Who you are; percent-encoded UTF-8 beyond ASCII.",
          schema: { type: "string", maxLength: limits.idMax * 9 },
        },
      },
      schemas,
    },
  };
}

function replySchema(): object {
  return {
    type: "object",
    required: ["jsonrpc", "id"],
    properties: {
      jsonrpc: { const: "2.0" },
      id: { type: ["string", "number", "null"] },
      result: { description: "What the method answers; absent when there is an error." },
      error: { $ref: "#/components/schemas/Error" },
    },
  };
}

function json(schema: object): object {
  return { "application/json": { schema } };
}

function rpcPath(): object {
  const either = (name: string) => ({
    anyOf: [
      { $ref: `#/components/schemas/${name}` },
      {
        type: "array",
        items: { $ref: `#/components/schemas/${name}` },
        minItems: 1,
        maxItems: limits.batchMax,
      },
    ],
  });
  const refusal = (description: string) => ({ description, content: json(either("Reply")) });
  return {
    "/rpc": {
      post: {
        operationId: "call",
        summary: "One request or a batch; every POST is a session of its own.",
        parameters: [{ $ref: "#/components/parameters/agent" }],
        requestBody: { required: true, content: json(either("Request")) },
        responses: {
          "200": refusal("The replies; a refusal by the model is one, too."),
          "204": { description: "There was nothing to answer." },
          "400": refusal("The body is no message."),
          "401": refusal("No name, or no token that proves it."),
          "403": refusal("Another name than the headers', or a page that may not call."),
          "413": refusal(`More than ${limits.frameBytesMax} bytes.`),
          "503": refusal("The hub is busy or closing; `code` 2 or 3 says whether it may have happened."),
        },
      },
    },
  };
}

function entriesPath(): object {
  const text = { type: "string" };
  const query = (name: string, description: string, schema: object = text) => ({
    name,
    in: "query",
    description,
    schema,
  });
  const problem = (description: string) => ({
    description,
    content: json({ type: "object", properties: { error: { $ref: "#/components/schemas/Error" } } }),
  });
  return {
    "/entries": {
      get: {
        operationId: "follow",
        summary: "Entries as server-sent events, each with its seq as id; comments keep it alive.",
        parameters: [
          { $ref: "#/components/parameters/agent" },
          query("after", "The last seq already taken; `now` for what is to come."),
          query("events", "Event types, `claim.granted` or `claim.*`, separated by commas."),
          query("about", "Names of agents, claims, tasks, separated by commas."),
          query("agent", "Who looks on, where headers cannot be set; beside the header: whose entries."),
          query("log", "The log the cursor is of: another one is refused."),
          { name: "Last-Event-ID", in: "header", description: "Goes before `after`.", schema: text },
        ],
        responses: {
          "200": {
            description: "The stream. Events named `cursor` tell a filtered follower how far it has come.",
            content: { "text/event-stream": { schema: text } },
          },
          "400": problem("A parameter makes no sense."),
          "401": problem("No token that proves the name."),
          "409": problem("The cursor is of another log."),
          "410": problem("The log begins later than that; `data.seq` says where."),
          "416": problem("The log has not come so far."),
        },
      },
    },
  };
}

function smallPaths(): object {
  const status = { type: "object", required: ["status"], properties: { status: { type: "string" } } };
  const get = (operationId: string, summary: string, type: string, schema: object, more: object = {}) => ({
    get: {
      operationId,
      summary,
      responses: { "200": { description: summary, content: { [type]: { schema } } }, ...more },
    },
  });
  const down = { "503": { description: "It does not.", content: json(status) } };
  const object = { type: "object" };
  return {
    "/healthz": get("healthz", "The hub lives.", "application/json", status, down),
    "/readyz": get("readyz", "The hub takes commands.", "application/json", status, down),
    "/metrics": get("metrics", "Counts and times, for Prometheus.", "text/plain", { type: "string" }),
    "/openapi.json": get("openapi", "This document.", "application/json", object),
    "/asyncapi.json": get("asyncapi", "The same for WebSocket.", "application/json", object),
  };
}
