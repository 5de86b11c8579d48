/**
 * What a scenario is, and the words in which one says what it expects.
 */
import type { Ended } from "./run-host.ts";
import type { Stage } from "./stage.ts";
import type { Use } from "./wires.ts";

/** One thing that is shown with a real host. Fails by throwing. */
export interface Scenario {
  readonly shows: string;
  /** Files besides those of every scenario. */
  readonly files?: { readonly [name: string]: string };
  /** Resolves with what was seen, for the table. */
  readonly run: (stage: Stage) => Promise<string>;
}

/** The file that bob holds, and what it holds. */
export const HELD = "src/held.ts";
export const FREE = "src/free.ts";
export const FILES = { [HELD]: "held\n", [FREE]: "free\n", "src/moved.ts": "moved\n" };

/** Writes the held file in a way that cannot be seen before. */
export const UNREADABLE = `node -e 'require("fs").writeFileSync(["src", "held.ts"].join("/"), "taken\\n")'`;

/** The policy under which edits wait where no hub answers. */
export const CLOSED = { ".holdfast.json": '{"hooks": {"whenHubIsDown": "closed"}}\n' };

/** What, who, why, until when, what to do instead, and that nothing was changed. */
export const SENTENCE =
  /src\/held\.ts (?:is|are) held by bob as AUTH \("rewriting the login"\) until \d\d:\d\d:\d\d \(another \d+ min\)\. .*Edit other files.*holdfast send bob .* Nothing was changed\./;

/** Bob takes the file. */
export async function bobHolds(stage: Stage): Promise<void> {
  await stage.must("claim", "AUTH", "--paths", HELD, "--ttl", "10m", "--note", "rewriting the login");
}

/** The hub goes. */
export async function down(stage: Stage): Promise<void> {
  await stage.must("down");
}

/** Claude's tools. */
export const bash = (command: string): Use => ({ tool: "Bash", input: { command, description: "works" } });
export const read = (file_path: string): Use => ({ tool: "Read", input: { file_path } });
export const write = (file_path: string, content: string): Use => ({
  tool: "Write",
  input: { file_path, content },
});
export const edit = (file_path: string, old_string: string, new_string: string): Use => ({
  tool: "Edit",
  input: { file_path, old_string, new_string },
});

/** Codex's tools. */
export const shell = (cmd: string, more: { readonly workdir?: string } = {}): Use => ({
  tool: "exec_command",
  input: { cmd, ...more },
});
export const patch = (...lines: string[]): Use => ({
  tool: "apply_patch",
  input: ["*** Begin Patch", ...lines, "*** End Patch", ""].join("\n"),
});
export const update = (path: string, from: string, to: string): Use =>
  patch(`*** Update File: ${path}`, "@@", `-${from}`, `+${to}`);

/** Fails unless it is so. */
export function must(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Error(what);
}

/** Fails unless it is this. */
export function mustBe(is: unknown, expected: unknown, what: string): void {
  const [seen, wanted] = [JSON.stringify(is), JSON.stringify(expected)];
  if (seen !== wanted) throw new Error(`${what}: ${seen} instead of ${wanted}`);
}

/** Fails unless the host was refused with the sentence. */
export function mustRefuse(result: string | undefined, what: string): void {
  must(result !== undefined && SENTENCE.test(result), `${what} was not refused with the sentence: ${result}`);
}

/** Fails unless a host came to a good end by itself. */
export function mustEnd(ended: Ended): void {
  must(!ended.isLate, "it did not end in time");
  mustBe(ended.code, 0, `exit code (${ended.err.slice(-300)} ${ended.out.slice(-300)})`);
}
