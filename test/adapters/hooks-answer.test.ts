/**
 * How each host is told a verdict: a row a host and event, and that nothing is ever sent which the host does not
 * know.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerOf } from "../../adapters/hooks/answer.ts";
import type { Host, Verdict } from "../../adapters/hooks/event.ts";
import { canSay, eventFacts, hostNamed, hosts } from "../../adapters/hooks/hosts.ts";
import { limits } from "../../core/limits.ts";

const names = Object.keys(hosts) as Host[];
const everything: Verdict = { deny: "D", context: "C", hold: "H", warning: "W" };

const specific = (hookEventName: string, rest: object) => ({
  hookSpecificOutput: { hookEventName, ...rest },
});
const refusal = { permissionDecision: "deny", permissionDecisionReason: "D" };

/** Everything at once: what stands in the answer, and whether the warning goes to stderr instead. */
const rows: readonly (readonly [Host, string, object | undefined, "stderr"?])[] = [
  ["claude", "SessionStart", { ...specific("SessionStart", { additionalContext: "C" }), systemMessage: "W" }],
  [
    "claude",
    "SubagentStart",
    { ...specific("SubagentStart", { additionalContext: "C" }), systemMessage: "W" },
  ],
  [
    "claude",
    "UserPromptSubmit",
    { ...specific("UserPromptSubmit", { additionalContext: "C" }), systemMessage: "W" },
  ],
  [
    "claude",
    "PreToolUse",
    { ...specific("PreToolUse", { ...refusal, additionalContext: "C" }), systemMessage: "W" },
  ],
  ["claude", "PostToolUse", { ...specific("PostToolUse", { additionalContext: "C" }), systemMessage: "W" }],
  [
    "claude",
    "PostToolUseFailure",
    { ...specific("PostToolUseFailure", { additionalContext: "C" }), systemMessage: "W" },
  ],
  [
    "claude",
    "PostToolBatch",
    { ...specific("PostToolBatch", { additionalContext: "C" }), systemMessage: "W" },
  ],
  ["claude", "Stop", { decision: "block", reason: "H", systemMessage: "W" }],
  ["claude", "SubagentStop", { decision: "block", reason: "H", systemMessage: "W" }],
  ["claude", "SessionEnd", { systemMessage: "W" }],
  [
    "codex",
    "PreToolUse",
    { ...specific("PreToolUse", { ...refusal, additionalContext: "C" }), systemMessage: "W" },
  ],
  ["codex", "PostToolUse", { ...specific("PostToolUse", { additionalContext: "C" }), systemMessage: "W" }],
  ["codex", "Stop", { decision: "block", reason: "H", systemMessage: "W" }],
  ["codex", "SessionEnd", undefined, "stderr"],
  ["codex", "PostToolBatch", undefined, "stderr"],
  ["copilot", "sessionStart", { additionalContext: "C" }, "stderr"],
  ["copilot", "userPromptSubmitted", { type: "progress", message: "W" }],
  ["copilot", "preToolUse", refusal, "stderr"],
  ["copilot", "postToolUse", { additionalContext: "C" }, "stderr"],
  ["copilot", "agentStop", { decision: "block", reason: "H" }, "stderr"],
  ["copilot", "sessionEnd", undefined, "stderr"],
  ["copilot", "PreToolUse", { ...refusal, ...specific("PreToolUse", refusal), systemMessage: "W" }],
  ["copilot", "PostToolUse", { additionalContext: "C", systemMessage: "W" }],
  ["copilot", "Stop", { decision: "block", reason: "H", systemMessage: "W" }],
  ["gemini", "SessionStart", { ...specific("SessionStart", { additionalContext: "C" }), systemMessage: "W" }],
  ["gemini", "BeforeAgent", { ...specific("BeforeAgent", { additionalContext: "C" }), systemMessage: "W" }],
  ["gemini", "BeforeTool", { decision: "deny", reason: "D", systemMessage: "W" }],
  ["gemini", "AfterTool", { ...specific("AfterTool", { additionalContext: "C" }), systemMessage: "W" }],
  ["gemini", "AfterAgent", { decision: "deny", reason: "H", systemMessage: "W" }],
  ["gemini", "SessionEnd", { systemMessage: "W" }],
  ["cursor", "sessionStart", { additional_context: "C" }, "stderr"],
  ["cursor", "beforeSubmitPrompt", undefined, "stderr"],
  ["cursor", "preToolUse", { permission: "deny", user_message: "D", agent_message: "D" }, "stderr"],
  ["cursor", "beforeShellExecution", { permission: "deny", user_message: "D", agent_message: "D" }, "stderr"],
  ["cursor", "postToolUse", undefined, "stderr"],
  ["cursor", "afterFileEdit", undefined, "stderr"],
  ["cursor", "stop", { followup_message: "H" }, "stderr"],
  ["opencode", "tool.execute.before", { deny: "D", warning: "W" }],
  ["opencode", "tool.execute.after", { context: "C", warning: "W" }],
  ["opencode", "session.idle", { hold: "H", warning: "W" }],
  ["opencode", "unheard", undefined, "stderr"],
];

describe("an answer", () => {
  const cases = rows.map(([host, event, expected, warned]) => ({ host, event, expected, warned }));
  it.each(cases)("$host $event", ({ host, event, expected, warned }) => {
    const { stdout, stderr, exitCode } = answerOf({ host, event }, everything);
    expect(stdout === "" ? undefined : JSON.parse(stdout)).toEqual(expected);
    expect(stderr).toBe(warned === undefined ? "" : "W\n");
    expect(exitCode).toBe(0);
  });

  it("of nothing is nothing: no output, no code", () => {
    const silence = { stdout: "", stderr: "", exitCode: 0 };
    for (const host of names)
      for (const event of [...Object.keys(hosts[host].events), "unheard", "__proto__", "constructor"]) {
        expect(answerOf({ host, event }, {})).toEqual(silence);
        expect(answerOf({ host, event }, { deny: "", context: " \n", hold: "\t", warning: "" })).toEqual(
          silence,
        );
      }
  });

  it("can be asked for beforehand", () => {
    expect(canSay({ host: "claude", event: "PostToolBatch" }, "context")).toBe(true);
    expect(canSay({ host: "claude", event: "Stop" }, "context")).toBe(false);
    expect(canSay({ host: "claude", event: "Stop" }, "hold")).toBe(true);
    expect(canSay({ host: "cursor", event: "postToolUse" }, "context")).toBe(false);
    expect(canSay({ host: "copilot", event: "preToolUse" }, "context")).toBe(false);
    expect(canSay({ host: "codex", event: "SessionEnd" }, "warning")).toBe(false);
    expect(canSay({ host: "codex", event: "toString" }, "deny")).toBe(false);
    expect(hostNamed("codex")).toBe("codex");
    expect(hostNamed("constructor")).toBeUndefined();
  });

  it("is cut where a host would cut it, between characters", () => {
    const context = "😀".repeat(limits.hookTextMax);
    const { stdout } = answerOf({ host: "copilot", event: "postToolUse" }, { context });
    const said: string = JSON.parse(stdout).additionalContext;
    expect(said.length).toBeLessThanOrEqual(limits.hookTextMax);
    expect(said.isWellFormed()).toBe(true);
    expect(said.endsWith("…")).toBe(true);
  });
});

/** The dotted names of all fields. */
function fieldsOf(value: object, above = ""): string[] {
  return Object.entries(value).flatMap(([field, inner]) =>
    typeof inner === "object" ? fieldsOf(inner, `${above}${field}.`) : [`${above}${field}`],
  );
}

/** What Codex's schemas allow, event by event; everything else makes the answer invalid. */
const codexAllows: Readonly<Record<string, readonly string[]>> = {
  SessionStart: ["additionalContext"],
  SubagentStart: ["additionalContext"],
  UserPromptSubmit: ["additionalContext", "decision", "reason"],
  PreToolUse: ["additionalContext", "permissionDecision", "permissionDecisionReason"],
  PostToolUse: ["additionalContext", "decision", "reason"],
  Stop: ["decision", "reason"],
  SubagentStop: ["decision", "reason"],
};

describe("no host is told", () => {
  const text = fc.oneof(fc.string(), fc.constant("x"));
  const verdicts = fc.record({ deny: text, context: text, hold: text, warning: text }, { requiredKeys: [] });

  it("a field it does not hear, or anything that lets a tool pass", () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.nat(), verdicts, (host, at, verdict) => {
        const events = Object.keys(hosts[host].events);
        const event = events[at % events.length] as string;
        const { stdout, stderr } = answerOf({ host, event }, verdict);
        if (stdout === "") return;
        expect(stdout).not.toContain("\n");
        const fields = fieldsOf(JSON.parse(stdout));
        expect(fields.filter((field) => !hosts[host].hears.includes(field))).toEqual([]);
        const decisions = fields.filter((field) =>
          /(?:decision|permission|permissionDecision)$/i.test(field),
        );
        for (const field of decisions) {
          const value = field.split(".").reduce((inner, name) => inner[name], JSON.parse(stdout));
          expect(["deny", "block"]).toContain(value);
        }
        // A part that is said is said whole; one that is not is the warning on stderr or nothing.
        if (verdict.deny?.trim() && canSay({ host, event }, "deny"))
          expect(stdout).toContain(JSON.stringify(verdict.deny));
        if (stderr !== "") expect(stderr).toBe(`${verdict.warning}\n`);
      }),
      { numRuns: 2000 },
    );
  });

  it("Codex: only what its closed schemas list for the event", () => {
    for (const [event, allowed] of Object.entries(codexAllows)) {
      const said = fieldsOf(JSON.parse(answerOf({ host: "codex", event }, everything).stdout));
      const all = new Set(["systemMessage", "hookSpecificOutput.hookEventName", ...allowed]);
      for (const field of allowed) all.add(`hookSpecificOutput.${field}`);
      expect(said.filter((field) => !all.has(field))).toEqual([]);
    }
    expect(Object.keys(hosts.codex.events).sort()).toEqual(
      [...Object.keys(codexAllows), "SessionEnd"].sort(),
    );
  });

  it("a hold anywhere but at a stop, or a refusal anywhere but before a tool", () => {
    for (const host of names)
      for (const [event, { moment, says }] of Object.entries(hosts[host].events)) {
        if (says.hold !== undefined) expect(["stop", "end"], `${host} ${event}`).toContain(moment);
        if (says.deny !== undefined) expect(moment, `${host} ${event}`).toBe("before");
        if (moment === "before") expect(says.deny, `${host} ${event}`).toBeDefined();
        expect(eventFacts(host, event)?.moment).toBe(moment);
      }
  });
});
