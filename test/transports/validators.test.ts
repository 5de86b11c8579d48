/**
 * What a hub says of itself is valid to those who define how such things are said.
 */
import SwaggerParser from "@apidevtools/swagger-parser";
import { Parser } from "@asyncapi/parser";
import { describe, expect, it } from "vitest";
import { asyncapi } from "../../core/protocol/asyncapi.ts";
import { openapi } from "../../core/protocol/openapi.ts";

/** A copy in plain JSON, as it is served, that may be broken. */
// biome-ignore lint/suspicious/noExplicitAny: documents of which any part may be changed
const served = (document: object): any => JSON.parse(JSON.stringify(document));

describe("/openapi.json", () => {
  it("is valid OpenAPI 3.1", async () => {
    const document = served(openapi("http://127.0.0.1:4653"));
    expect(document.openapi).toMatch(/^3\.1\./);
    await expect(SwaggerParser.validate(document)).resolves.toBeDefined();
  });

  it("would not be, with a response that has no description", async () => {
    const document = served(openapi("http://127.0.0.1:4653"));
    const [operation] = Object.values(document.paths["/healthz"]) as {
      responses: { [status: string]: object };
    }[];
    for (const response of Object.values(operation?.responses ?? {}))
      Reflect.deleteProperty(response, "description");
    await expect(SwaggerParser.validate(document)).rejects.toThrow();
  });
});

describe("/asyncapi.json", () => {
  const parser = new Parser();
  const errors = async (document: object) =>
    (await parser.validate(JSON.stringify(document))).filter(({ severity }) => severity === 0);

  it("is valid AsyncAPI 3", async () => {
    const document = served(asyncapi("127.0.0.1:4653"));
    expect(document.asyncapi).toMatch(/^3\./);
    expect(await errors(document)).toEqual([]);
  });

  it("would not be, with an operation on a channel there is not", async () => {
    const document = served(asyncapi("127.0.0.1:4653"));
    const [operation] = Object.values(document.operations) as { channel: { $ref: string } }[];
    if (operation !== undefined) operation.channel.$ref = "#/channels/nowhere";
    expect(await errors(document)).not.toEqual([]);
  });
});
