/**
 * The hosts of agents as data: how one is recognised in a repository, and what is put into which file for it.
 */
import {
  EDITS,
  FILE_TOOLS,
  flat,
  grouped,
  type HostSetup,
  mcpServers,
  START_SECONDS,
  type Terms,
} from "./host.ts";
import { hookPart, memberPart } from "./json-part.ts";
import type { JsonObject } from "./json-text.ts";
import { openCodeMark, openCodePlugin } from "./opencode-plugin.ts";
import { hashMarks, markdownMarks, markedBlock, ownFile, type Part } from "./part.ts";
import { hookLine, isHookOfOurs, isToolServerOfOurs, spareLine, startLine, toolServer } from "./runner.ts";
import { agentsLines, skillMark, skillText } from "./texts.ts";

/**
 * Claude Code posts its hooks to the hub, which answers sooner than a program starts; what it does not post
 * (the start and the end of a session) is a command, and so is, in the background, what must be kept while no
 * hub runs. The url must name a port, and it stands in a file that is
 * committed: so each repository has a port of its own, chosen once, which its hub tries first (`hookPort`).
 */
const claude: HostSetup = {
  name: "claude",
  title: "Claude Code",
  signs: [".claude", "CLAUDE.md", ".mcp.json"],
  programs: ["claude"],
  hookFile: ".claude/settings.json",
  skills: ".claude",
  next: "Claude Code asks once whether to trust this folder and its MCP server: say yes to both.",
  parts(terms) {
    const posted: JsonObject = {
      type: "http",
      url: `http://127.0.0.1:${terms.port}/hooks/claude`,
      headers: { Authorization: "Bearer $HOLDFAST_TOKEN" },
      allowedEnvVars: ["HOLDFAST_TOKEN"],
      timeout: 5,
    };
    const told: JsonObject = { type: "command", command: hookLine(terms.runner, "claude"), timeout: 10 };
    const started = { ...told, command: startLine(terms.runner, "claude"), timeout: START_SECONDS };
    const spare = { ...told, command: spareLine(terms.runner, "claude"), async: true };
    return [
      hookPart({
        path: this.hookFile,
        about: "hooks of Claude Code",
        isOurs: isHookOfOurs,
        hooks: {
          ...grouped({ SessionStart: {} }, started),
          ...grouped(
            {
              UserPromptSubmit: {},
              PostToolUseFailure: { matcher: EDITS },
              PostToolBatch: {},
              SubagentStart: {},
              SubagentStop: {},
              Stop: {},
            },
            posted,
          ),
          ...grouped({ PreToolUse: { matcher: EDITS } }, terms.isClosed ? told : posted),
          PostToolUse: [
            { matcher: EDITS, hooks: [posted] },
            { matcher: FILE_TOOLS, hooks: [spare] },
          ],
          ...grouped({ SessionEnd: {} }, told),
        },
      }),
      mcpServers(".mcp.json", "Claude Code", terms, { type: "stdio" }),
      markedBlock("CLAUDE.md", "import of AGENTS.md", markdownMarks, ["@AGENTS.md"], {
        make: false,
        isSaid: (text) => /(^|\s)@(\.\/)?AGENTS\.md\b/m.test(text),
      }),
    ];
  },
};

/** Codex trusts a hook by its text, so the line never changes; its servers stand in TOML. */
const codex: HostSetup = {
  name: "codex",
  title: "Codex",
  signs: [".codex"],
  programs: ["codex"],
  hookFile: ".codex/hooks.json",
  skills: ".agents",
  next: "Codex runs no hook before you trust it: start codex here once, type /hooks and trust those of holdfast.",
  parts({ runner }) {
    const { command, args } = toolServer(runner);
    const handler: JsonObject = { type: "command", command: hookLine(runner, "codex"), timeout: 10 };
    const started: JsonObject = {
      ...handler,
      command: startLine(runner, "codex"),
      commandWindows: startLine(runner, "codex", " &"),
      timeout: START_SECONDS,
    };
    const events = {
      UserPromptSubmit: {},
      PreToolUse: { matcher: "Edit|Write|Bash" },
      PostToolUse: { matcher: "Edit|Write|Bash" },
      SubagentStart: {},
      SubagentStop: {},
      Stop: {},
    };
    // Codex cuts longer ones short, and says so as an error at every start.
    const ended = { ...handler, timeout: 3 };
    return [
      hookPart({
        path: this.hookFile,
        about: "hooks of Codex",
        isOurs: isHookOfOurs,
        hooks: {
          ...grouped({ SessionStart: {} }, started),
          ...grouped(events, handler),
          ...grouped({ SessionEnd: {} }, ended),
        },
      }),
      markedBlock(
        ".codex/config.toml",
        "tools for Codex (MCP)",
        hashMarks,
        ["[mcp_servers.holdfast]", `command = ${JSON.stringify(command)}`, `args = ${JSON.stringify(args)}`],
        { isSaid: (text) => /^\s*\[mcp_servers\.("?)holdfast\1\]/m.test(text) },
      ),
    ];
  },
};

/**
 * Copilot refuses a tool where its hook ends with anything but 0, also where the program is missing: the line
 * ends with 0 in any case, and a refusal is told by what it prints.
 */
const copilot: HostSetup = {
  name: "copilot",
  title: "GitHub Copilot CLI",
  signs: [".github/hooks", ".github/copilot", ".github/copilot-instructions.md"],
  programs: ["copilot"],
  hookFile: ".github/hooks/holdfast.json",
  skills: ".agents",
  parts(terms) {
    const handlerOf = (line: string, timeoutSec: number): JsonObject => ({
      type: "command",
      bash: `${line} || exit 0`,
      powershell: `${line}; exit 0`,
      timeoutSec,
    });
    const handler = handlerOf(hookLine(terms.runner, "copilot"), 10);
    const started = flat(["SessionStart"], handlerOf(startLine(terms.runner, "copilot"), START_SECONDS));
    const events = ["UserPromptSubmit", "SubagentStart", "SubagentStop", "Stop", "SessionEnd"];
    const told = flat(events, handler);
    const tools = flat(["PreToolUse", "PostToolUse", "PostToolUseFailure"], { ...handler, matcher: EDITS });
    return [
      hookPart({
        path: this.hookFile,
        about: "hooks of GitHub Copilot",
        base: { version: 1 },
        isOurs: isHookOfOurs,
        hooks: { ...started, ...told, ...tools },
      }),
      mcpServers(".mcp.json", "GitHub Copilot", terms, { type: "stdio" }),
    ];
  },
};

const gemini: HostSetup = {
  name: "gemini",
  title: "Gemini CLI",
  signs: [".gemini", "GEMINI.md"],
  programs: ["gemini"],
  hookFile: ".gemini/settings.json",
  skills: ".agents",
  parts(terms) {
    const line = hookLine(terms.runner, "gemini");
    const handler: JsonObject = { name: "holdfast", type: "command", command: line, timeout: 10_000 };
    const started: JsonObject = {
      ...handler,
      command: startLine(terms.runner, "gemini"),
      timeout: 1000 * START_SECONDS,
    };
    const tools = { matcher: "write_file|replace|run_shell_command" };
    const events = {
      BeforeAgent: {},
      BeforeTool: tools,
      AfterTool: tools,
      AfterAgent: {},
      SessionEnd: {},
    };
    return [
      hookPart({
        path: this.hookFile,
        about: "hooks of Gemini CLI",
        isOurs: isHookOfOurs,
        hooks: { ...grouped({ SessionStart: {} }, started), ...grouped(events, handler) },
      }),
      mcpServers(this.hookFile, "Gemini CLI", terms),
      markedBlock("GEMINI.md", "import of AGENTS.md", markdownMarks, ["@./AGENTS.md"], {
        make: false,
        isSaid: (text) => /(^|\s)@(\.\/)?AGENTS\.md\b/m.test(text),
      }),
    ];
  },
};

const cursor: HostSetup = {
  name: "cursor",
  title: "Cursor",
  signs: [".cursor", ".cursorrules"],
  programs: ["cursor", "cursor-agent"],
  hookFile: ".cursor/hooks.json",
  skills: ".agents",
  parts(terms) {
    const handler: JsonObject = { command: hookLine(terms.runner, "cursor"), timeout: 10 };
    const started: JsonObject = { command: startLine(terms.runner, "cursor"), timeout: START_SECONDS };
    const events = [
      "beforeSubmitPrompt",
      "preToolUse",
      "postToolUse",
      "afterFileEdit",
      "subagentStart",
      "subagentStop",
      "stop",
      "sessionEnd",
    ];
    return [
      hookPart({
        path: this.hookFile,
        about: "hooks of Cursor",
        base: { version: 1 },
        isOurs: isHookOfOurs,
        hooks: { ...flat(["sessionStart"], started), ...flat(events, handler) },
      }),
      mcpServers(".cursor/mcp.json", "Cursor", terms),
    ];
  },
};

const opencode: HostSetup = {
  name: "opencode",
  title: "OpenCode",
  signs: [".opencode", "opencode.json", "opencode.jsonc"],
  programs: ["opencode"],
  hookFile: ".opencode/plugins/holdfast.js",
  skills: ".agents",
  parts({ runner }) {
    const { command, args } = toolServer(runner);
    return [
      ownFile(this.hookFile, "hooks of OpenCode (a plugin)", openCodeMark, openCodePlugin(runner)),
      memberPart({
        path: "opencode.json",
        about: "tools for OpenCode (MCP)",
        within: "mcp",
        key: "holdfast",
        value: { type: "local", command: [command, ...args], enabled: true },
        isOurs: isToolServerOfOurs,
      }),
    ];
  },
};

/** Every host there is. */
export const hosts: readonly HostSetup[] = [claude, codex, copilot, gemini, cursor, opencode];

/** What is put in for these hosts, by file. Two hosts may read one file, and say the same of it. */
export function partsFor(chosen: readonly HostSetup[], terms: Terms): ReadonlyMap<string, readonly Part[]> {
  const skills = new Set(chosen.map((host) => host.skills));
  const parts = [
    ...chosen.flatMap((host) => host.parts(terms)),
    ...[...skills].map((folder) =>
      ownFile(`${folder}/skills/holdfast/SKILL.md`, "a skill: how to use Holdfast", skillMark, skillText),
    ),
    markedBlock("AGENTS.md", "what agents are told", markdownMarks, agentsLines),
  ];
  const byPath = new Map<string, Part[]>();
  for (const part of parts) byPath.set(part.path, [...(byPath.get(part.path) ?? []), part]);
  return byPath;
}
