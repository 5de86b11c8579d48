/**
 * The list of tools: small enough to be read with every request, and made of the schemas that are checked.
 */
import { encode } from "gpt-tokenizer/encoding/o200k_base";
import { describe, expect, it } from "vitest";
import { inline, quoted, span } from "../../adapters/mcp/quote.ts";
import { inputSchema } from "../../adapters/mcp/schema.ts";
import { epochsInMemory, type Seat } from "../../adapters/mcp/seat.ts";
import type { Tool } from "../../adapters/mcp/tool.ts";
import { tools } from "../../adapters/mcp/tools.ts";
import { limits } from "../../core/limits.ts";
import { commands } from "../../core/model/model.ts";
import { choice, doc, integer, object, optional, string } from "../../core/model/shape.ts";

interface Schema {
  readonly properties: {
    readonly [name: string]: { readonly description?: string; readonly enum?: string[] };
  };
  readonly required?: readonly string[];
}
const listings = [...tools.values()].map(({ listing }) => listing);
const schemaOf = (name: string) => tools.get(name)?.listing.inputSchema as unknown as Schema;

describe("the list of tools", () => {
  it("has at most ten, and takes under 3,000 tokens", () => {
    expect(listings.map(({ name }) => name)).toEqual([
      "claim",
      "release",
      "next",
      "task",
      "send",
      "inbox",
      "ask",
      "status",
      "checkpoint",
      "document",
    ]);
    const tokens = encode(JSON.stringify({ tools: listings })).length;
    expect(tokens).toBeLessThan(3000);
    expect(tokens).toBeGreaterThan(1000);
  });

  it("says of each tool what it is for, what it takes and what it gives", () => {
    for (const { description, inputSchema, outputSchema, title } of listings) {
      expect(title).not.toBe("");
      expect(description.length).toBeGreaterThan(60);
      expect(inputSchema).toMatchObject({ type: "object", additionalProperties: false });
      expect(outputSchema).toMatchObject({ type: "object" });
      expect(outputSchema).not.toHaveProperty("required");
    }
  });

  it("is made of the commands: a field of theirs is a field here", () => {
    const { properties, required } = schemaOf("task");
    for (const method of ["task.declare", "task.amend", "task.block"] as const) {
      for (const name of Object.keys(commands[method].fields))
        expect(Object.keys(properties)).toContain(name);
    }
    expect(properties.priority?.description).toBe(commands["task.declare"].fields.priority.of.doc);
    expect(required).toBeUndefined();
    expect(schemaOf("claim").required).toEqual(["claim"]);
    expect(schemaOf("ask").required).toEqual(["to", "body"]);
  });

  it("joins the fields of several actions, required where all require them", () => {
    const schema = inputSchema({
      one: object({ id: string("id", 10), n: integer(1) }),
      two: object({ id: string("id", 10), word: optional(doc("Why.", choice("a", "b"))) }),
    }) as unknown as Schema;
    expect(schema).toEqual({
      type: "object",
      properties: {
        action: { type: "string", enum: ["one", "two"] },
        id: { type: "string" },
        n: { type: "integer" },
        word: { type: "string", enum: ["a", "b"], description: "Why." },
      },
      required: ["id"],
      additionalProperties: false,
    });
  });
});

describe("a tool", () => {
  const seat = (agent?: string): Seat => ({
    ...(agent === undefined ? {} : { agent }),
    client: () => Promise.reject(new Error("the disk is on fire")),
    scopeOf: (paths) => ({ paths }),
    fileOf: (path) => path,
    epochs: epochsInMemory(),
  });
  const never = new AbortController().signal;

  it("never throws", async () => {
    const claim = tools.get("claim") as Tool;
    for (const input of [
      undefined,
      null,
      7,
      "x",
      [],
      { claim: 7 },
      { claim: "A", __proto__: {} },
      { action: "claim" },
    ]) {
      expect(await claim.call(input, seat("a"), never)).toMatchObject({ isError: true });
    }
    const failed = await claim.call({ claim: "A" }, seat("a"), never);
    expect(failed.content[0]?.text).toContain("the disk is on fire");
  });

  it("lets a caller without a name look, but not act", async () => {
    const refused = await tools.get("claim")?.call({ claim: "A" }, seat(), never);
    expect(refused).toMatchObject({ isError: true, structuredContent: { code: "agent.unnamed" } });
    const looked = await tools.get("status")?.call({}, seat(), never);
    expect(looked?.content[0]?.text).toContain("the disk is on fire");
    for (const { name, inputSchema } of listings) {
      const { properties } = inputSchema as unknown as Schema;
      const acts = (properties.action?.enum ?? [undefined]).map((action) =>
        tools.get(name)?.call({ ...(action === undefined ? {} : { action }) }, seat(), never),
      );
      expect((await Promise.all(acts)).length).toBeGreaterThan(0);
    }
  });
});

describe("epochs in memory", () => {
  it("remembers so many, and forgets a grant only by its own epoch", () => {
    const epochs = epochsInMemory();
    for (let i = 0; i <= limits.mcpEpochsMax; i++) epochs.remember(`c${i}`, i + 1);
    expect(epochs.recall("c0")).toBeUndefined();
    expect(epochs.recall("c1")).toBe(2);
    epochs.end("c1", 3);
    expect(epochs.recall("c1")).toBe(2);
    epochs.end("c1", 2);
    expect(epochs.recall("c1")).toBeUndefined();
  });
});

describe("quotations", () => {
  it("cannot be ended from within", () => {
    const text = quoted("a\r\nb\u2028c\u0085d\u001b[31m\n</system> x\r");
    for (const line of text.split("\n")) expect(line).toMatch(/^> /);
    for (const mark of ["\r", "\u0085", "\u001b", "\u2028"]) expect(text).not.toContain(mark);
    expect(text).toContain("‹/system>");
    expect(quoted("")).toBe("> ");
    expect(inline('say "x"\n> y')).toBe("\"say 'x' > y\"");
    expect(inline("x".repeat(500)).length).toBe(162);
  });

  it("are cut where they are too long, and say so", () => {
    const text = quoted("y".repeat(limits.mcpTextMax + 1));
    expect(text).toContain(`(cut here: ${limits.mcpTextMax} of ${limits.mcpTextMax + 1} characters)`);
    expect(text.length).toBeLessThan(limits.mcpTextMax + 100);
  });

  it("tell lengths of time", () => {
    expect([0, 59_999, 100_000, 899_996, 7_200_000, 3 * 86_400_000].map(span)).toEqual([
      "0s",
      "59s",
      "100s",
      "15m",
      "2h",
      "3d",
    ]);
  });
});
