/**
 * The verbs of the ledger: tasks, what is next, notes on progress.
 */
import type { Result } from "../../core/client/methods.ts";
import { toScope } from "../place/paths.ts";
import { usage } from "./arguments.ts";
import { claimText } from "./claims.ts";
import { type Command, exits, type Run } from "./command.ts";
import { Epochs } from "./epochs.ts";
import { type Reached, reaching } from "./reach.ts";
import { safeLine, table } from "./render.ts";
import { sayEmpty, sayMore } from "./views.ts";

const ROWS = 1000;

export const nextVerb: Run = (command) =>
  reaching(command, "act", async (reached) => {
    const { client, worktree } = reached;
    const { args, out } = command;
    const capabilities = args.list("capability");
    const ttlMs = args.durationMs("ttl");
    const note = args.text("note");
    const grant = await client.call("task.next", {
      worktree,
      ...(capabilities === undefined ? {} : { capabilities }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(note === undefined ? {} : { note }),
    });
    new Epochs(reached).remember(grant.claim, grant.epoch);
    out.data(grant, () => claimText(grant));
    return exits.ok;
  });

export const taskVerb: Run = (command) => {
  const { args } = command;
  const what = args.word(0, "what to do");
  switch (what) {
    case "list":
    case "ready":
      return listTasks(command, what);
    case "add":
      return change(command, (task, reached) => [
        "task.declare",
        { task, title: args.text("title") ?? usage("--title is missing."), ...given(command, reached) },
      ]);
    case "amend":
      return change(command, async (task, reached) => {
        const title = args.text("title");
        const version = args.integer("version") ?? (await versionOf(task, reached));
        const more = {
          ...(title === undefined ? {} : { title }),
          ...(args.flag("no-parent") ? { noParent: true } : {}),
        };
        return ["task.amend", { task, version, ...more, ...given(command, reached) }];
      });
    case "start":
      return change(command, (task) => ["task.start", { task }]);
    case "done":
      return change(command, (task) => [
        "task.complete",
        { task, ...worded("result", args.text("result") ?? rest(command)) },
      ]);
    case "block":
      return change(command, (task) => [
        "task.block",
        {
          task,
          reason: args.text("reason") ?? rest(command) ?? usage("--reason is missing: what is in the way?"),
        },
      ]);
    case "fail":
    case "cancel":
    case "reopen":
      return change(command, (task) => [
        `task.${what}`,
        { task, ...worded("reason", args.text("reason") ?? rest(command)) },
      ]);
    default:
      return usage(
        "holdfast task takes add, amend, start, done, block, fail, cancel, reopen, list or ready.",
      );
  }
};

/** Words behind the task's id. */
function rest({ args }: Command): string | undefined {
  const words = args.words.slice(2).join(" ");
  return words === "" ? undefined : words;
}

function worded(name: string, text: string | undefined): object {
  return text === undefined ? {} : { [name]: text };
}

/** The fields that `add` and `amend` take alike. */
function given({ args, cwd }: Command, { repository }: Reached): object {
  const paths = args.list("paths");
  const scope = paths === undefined ? undefined : toScope(paths, repository.root, cwd);
  const dependsOn = args.list("after");
  const requires = args.list("requires");
  const priority = args.signed("priority");
  return {
    ...worded("description", args.text("description")),
    ...worded("parent", args.text("parent")),
    ...worded("suggested", args.text("suggested")),
    ...(dependsOn === undefined ? {} : { dependsOn }),
    ...(requires === undefined ? {} : { requires }),
    ...(priority === undefined ? {} : { priority }),
    // A task may outlive a worktree, so its files stand among its patterns.
    ...(scope === undefined
      ? {}
      : { paths: [...(scope.files ?? []).map(asPattern), ...(scope.paths ?? [])] }),
  };
}

function asPattern(file: string): string {
  return file.replace(/[*?[{}]/g, "[$&]");
}

async function versionOf(task: string, { client }: Reached): Promise<number> {
  const { items } = await client.call("tasks.list", { task });
  return items[0]?.version ?? 1;
}

type Change = readonly [method: string, params: object];

function change(
  command: Command,
  make: (task: string, reached: Reached) => Change | Promise<Change>,
): Promise<number> {
  const { args, out } = command;
  const task = args.word(1, "ID");
  return reaching(command, "act", async (reached) => {
    const [method, params] = await make(task, reached);
    const done = await reached.client.send(method, params);
    out.data(done, () => safeLine(`${task}: ${args.word(0, "")}`));
    return exits.ok;
  });
}

function listTasks(command: Command, what: "list" | "ready"): Promise<number> {
  return reaching(command, "look", async (reached) => {
    const { args, out } = command;
    sayEmpty(command, reached);
    const limit = args.integer("limit") ?? ROWS;
    const capabilities = args.list("requires");
    const status = args.text("status");
    const page =
      what === "ready"
        ? await reached.client.call("tasks.ready", {
            limit,
            ...(capabilities === undefined ? {} : { capabilities }),
          })
        : await reached.client.call("tasks.list", { limit, ...worded("status", status) });
    out.data(page, () => taskTable(page.items));
    sayMore(command, page.next);
    return exits.ok;
  });
}

function taskTable(items: Result<"tasks.list">["items"]): string {
  if (items.length === 0) return "";
  return table(
    ["TASK", "STATUS", "PRIORITY", "OWNER", "WAITS FOR", "TITLE"],
    items.map((item) => [
      item.task,
      item.ready === true ? "ready" : item.status,
      item.priority === 0 ? "" : item.priority,
      item.holder ?? item.owner,
      item.waitingFor?.join(" "),
      item.title,
    ]),
  );
}

export const noteVerb: Run = (command) =>
  reaching(command, "act", async ({ client }) => {
    const { args, out } = command;
    const task = args.word(0, "TASK");
    const text = args.words.slice(1).join(" ");
    if (text === "") usage("TEXT is missing.");
    const kind = args.text("kind") ?? "note";
    const noted = await client.send("progress.note", { task, kind, text });
    out.data(noted, () => safeLine(`${task}: noted`));
    return exits.ok;
  });
