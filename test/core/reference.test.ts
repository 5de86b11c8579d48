/** PROTOCOL.md is what the schemas say. `npx vitest run test/core/reference.test.ts -u` writes it anew. */
import { describe, expect, it } from "vitest";
import { engineRejections } from "../../core/engine/refusals.ts";
import { limits, publishedLimits } from "../../core/limits.ts";
import { tables } from "../../core/model/model.ts";
import { decode } from "../../core/protocol/codec.ts";
import { classify } from "../../core/protocol/frame.ts";
import { sessionMethods, submitted } from "../../core/protocol/methods.ts";
import { protocolReference } from "../../core/protocol/reference.ts";
import { compile } from "../../core/protocol/schema.ts";

const rejections = { ...tables.rejections, ...engineRejections };
const text = protocolReference({ session: sessionMethods, ...tables, rejections }, publishedLimits);

describe("PROTOCOL.md", () => {
  it("is not stale", async () => {
    await expect(text).toMatchFileSnapshot("../../core/protocol/PROTOCOL.md");
  });

  it("names every method, event, rejection and field", () => {
    const shapes = { ...sessionMethods, ...tables.commands, ...tables.events };
    for (const [name, { fields }] of Object.entries(shapes)) {
      const part = text.split(`### \`${name}\`\n`)[1]?.split("\n#")[0];
      expect(part, name).toBeDefined();
      for (const field of Object.keys(fields)) expect(part, name).toContain(`- \`${field}\`: `);
    }
    for (const name of [...Object.keys(tables.queries), ...Object.keys(tables.rejections)]) {
      expect(text).toContain(`### \`${name}\`\n`);
    }
    for (const name of Object.keys(publishedLimits))
      expect(text).toMatch(new RegExp(`\\| \`${name}\` \\| [\\d,]+ \\| \\w`));
    expect(text).not.toContain("undefined");
  });

  it("shows frames that a hub would take and send", () => {
    const frames = [...text.matchAll(/^([→←]) (.*)$/gm)];
    expect(frames.length).toBeGreaterThan(8);
    for (const [, arrow, frame] of frames) {
      const decoded = decode(frame as string);
      const message = classify("value" in decoded ? decoded.value : undefined);
      expect(message.kind, frame).not.toBe("problem");
      if (message.kind !== "request" || arrow !== "→") continue;
      const session = (sessionMethods as Record<string, (typeof tables.commands)[string]>)[message.method];
      const command = tables.commands[message.method];
      const shape = session ?? submitted(command?.fields ?? {});
      expect(compile(shape)(message.params), frame).toBeUndefined();
    }
    expect(text).toContain(`${limits.freeNestingMax} deep`);
    expect(text).toContain(`takes nothing for ${limits.drainMs / 1000} seconds`);
  });

  it("describes the methods of sessions with shapes that compile", () => {
    const check = compile(sessionMethods["session.open"]);
    expect(check({ agent: "alice", role: "operator", capabilities: ["a"], exclusive: true })).toBeUndefined();
    expect(check({ agent: "all" })?.at).toBe("agent");
    expect(
      compile(sessionMethods["log.follow"])({ after: 0, events: ["claim.*"], about: ["alice"] }),
    ).toBeUndefined();
    expect(compile(sessionMethods["log.follow"])({})?.at).toBe("after");
  });
});
