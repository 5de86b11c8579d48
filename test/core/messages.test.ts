/** Messages: kinds, threads, attachments, requests, privacy, retention. Rows ME6 to ME12. */
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import { type Command, redacted } from "../../core/model/model.ts";
import type { Asker } from "../../core/model/slice.ts";
import { Fleet } from "./fleet.ts";

type Post = Extract<Command, { type: "message.post" }>;

function fleet(settings: object = {}) {
  const fleet = new Fleet(settings).join("alice").join("bob").join("carol");
  const post = (from: string, to: Post["to"], body: string, more: Partial<Post> = {}) =>
    fleet.send(from, { type: "message.post", to, body, ...more });
  return { fleet, post };
}

const verify = (fleet: Fleet) => fleet.verify("messages", "inbox", "channels");

describe("messages", () => {
  it("ME1 the engine gives the id: m and the seq of the entry", () => {
    const { post } = fleet();
    const told = post("alice", "bob", "hello");
    expect(told.result).toEqual({ seq: told.seq, message: `m${told.seq}` });
    expect(told.events[0]).toEqual({
      type: "message.posted",
      message: `m${told.seq}`,
      from: "alice",
      to: ["bob"],
      recipients: ["bob"],
      kind: "chat",
      body: "hello",
    });
  });

  it("ME6 a task_request declares the task of its id in the same entry, a task_result completes it", () => {
    const { fleet: f, post } = fleet();
    const open = post("alice", "all", "Fix the login\nIt fails.", { kind: "task_request" });
    expect(open.events.map(({ type }) => type)).toEqual(["message.posted", "task.declared"]);
    expect(open.events[1]).toMatchObject({ task: open.result.message, title: "Fix the login" });
    const request = post("alice", "bob", "Fix the logout", { kind: "task_request" });
    const task = request.result.message;
    expect(request.events[1]).toMatchObject({ task, title: `request ${task}` });
    const result = post("bob", "alice", "done", { kind: "task_result", replyTo: task });
    expect(result.events).toMatchObject([
      { type: "message.posted", kind: "task_result", replyTo: task, thread: task },
      { type: "task.completed", task },
    ]);
    expect(post("bob", "alice", "done", { kind: "task_result", replyTo: task }).events).toHaveLength(1);
    verify(f);
  });

  it("ME7 an answer joins the thread of what it answers", () => {
    const { fleet: f, post } = fleet();
    const root = post("alice", "bob", "one").result.message;
    const second = post("bob", "alice", "two", { replyTo: root }).result.message;
    const third = post("alice", "bob", "three", { replyTo: second });
    expect(third.result.thread).toBe(root);
    for (const id of [root, second]) {
      const read = f.ask("carol", "thread.read", { thread: id });
      expect(read.items.map((item: { body: string }) => item.body)).toEqual(["one", "two", "three"]);
    }
    expect(post("carol", "all", "four", { thread: second }).result.thread).toBe(root);
    verify(f);
  });

  it("ME7 replyTo or thread an unknown message: message.unknown", () => {
    const { fleet: f, post } = fleet();
    const { seq } = post("alice", "bob", "one");
    for (const id of ["m999", "m0", "x", "m1", `m${seq + 1}`]) {
      const told = post("alice", "bob", "two", { replyTo: id });
      expect(told.rejection).toMatchObject({ code: "message.unknown", id });
    }
    expect(post("alice", "bob", "two", { thread: "m999" }).refused).toBe("message.unknown");
    expect(f.ask("alice", "thread.read", { thread: "m999" }).rejection.code).toBe("thread.unknown");
  });

  it("ME7 a thread may have a name of its own, and is listed by its newest message", () => {
    const { fleet: f, post } = fleet();
    post("alice", "bob", "a", { thread: "release" });
    post("alice", "bob", "b", { thread: "login" });
    const last = post("bob", "all", "c", { thread: "release" });
    const listed = f.ask("carol", "threads.list");
    expect(listed.items).toMatchObject([
      { thread: "release", messages: 2, first: { body: "a" }, last: { body: "c" } },
      { thread: "login", messages: 1 },
    ]);
    const one = f.ask("carol", "threads.list", { limit: 1 });
    expect(one.items).toHaveLength(1);
    const two = f.ask("carol", "threads.list", { limit: 1, cursor: one.next });
    expect(two.items).toMatchObject([{ thread: "login" }]);
    const page = f.ask("carol", "thread.read", { thread: last.result.message, limit: 1 });
    expect(page.items).toMatchObject([{ body: "a" }]);
    const rest = f.ask("carol", "thread.read", { thread: "release", cursor: page.next });
    expect(rest.items).toMatchObject([{ body: "c" }]);
    expect(rest.next).toBeUndefined();
  });

  it("ME8 a body of 128 KiB is taken, one byte more is not", () => {
    const { post } = fleet();
    expect(post("alice", "bob", "x".repeat(limits.bodyBytesMax)).refused).toBeUndefined();
    expect(post("alice", "bob", "x".repeat(limits.bodyBytesMax + 1)).refused).toBe("schema");
    expect(post("alice", "bob", "é".repeat(limits.bodyBytesMax / 2 + 1)).refused).toBe("schema");
  });

  it("ME8 32 attachments are taken, 33 are not", () => {
    const { post } = fleet();
    const some = (length: number) => Array.from({ length }, () => ({ kind: "text", content: "x" }) as const);
    expect(post("alice", "bob", "", { attachments: some(32) }).refused).toBeUndefined();
    expect(post("alice", "bob", "", { attachments: some(33) }).refused).toBe("schema");
  });

  it("ME8 attachments take at most 256 KiB together, in bytes of UTF-8", () => {
    const { post } = fleet();
    const half = "é".repeat(limits.attachmentBytesMax / 4);
    const two = [
      { kind: "text", content: half },
      { kind: "diff", path: "a", content: half.slice(1) },
    ] as const;
    expect(post("alice", "bob", "", { attachments: two }).refused).toBeUndefined();
    const more = [...two, { kind: "json", content: { a: 1 } }] as const;
    const told = post("alice", "bob", "", { attachments: more });
    expect(told.rejection).toMatchObject({ code: "invalid", at: "attachments" });
  });

  it("ME8 text, json and code have content; file and diff have a path", () => {
    const { fleet: f, post } = fleet();
    const good = [
      { kind: "text", content: "t" },
      { kind: "json", content: { a: [1] } },
      { kind: "json", content: "[1]" },
      { kind: "code", content: "let x", language: "ts" },
      { kind: "file", path: "src/a.ts" },
      { kind: "diff", path: "src/a.ts", content: "+x" },
    ] as const;
    post("alice", "bob", "see", { attachments: good });
    expect(f.ask("bob", "inbox.list").items[0].attachments).toEqual(good);
    for (const bad of [{ kind: "text" }, { kind: "file" }, { kind: "code", path: "a" }, { kind: "image" }]) {
      expect(post("alice", "bob", "", { attachments: [bad] as never }).refused).toBe("schema");
    }
  });

  it("ME9 the first task_result that replies is in the thread; so are late ones", () => {
    const { fleet: f, post } = fleet();
    const asked = post("alice", "bob", "2 + 2?", { kind: "task_request" }).result.message;
    post("bob", "alice", "4", { kind: "task_result", replyTo: asked });
    post("carol", "alice", "five", { kind: "task_result", replyTo: asked });
    const answers = f.ask("alice", "thread.read", { thread: asked }).items.slice(1);
    expect(answers.map((item: { from: string }) => item.from)).toEqual(["bob", "carol"]);
  });

  it("ME11 the known kinds and any x-…", () => {
    const { post } = fleet();
    const kinds = ["chat", "notice", "task", "claim", "release", "artifact", "task_request", "task_result"];
    for (const kind of [...kinds, "x-poll"]) {
      const told = post("alice", "bob", "k", { kind: kind as "chat" });
      expect(told.events[0]).toMatchObject({ kind });
    }
    expect(post("alice", "bob", "k", { kind: "poll" as never }).refused).toBe("schema");
  });
});

describe("privacy", () => {
  const asker = (agent: string, more: Partial<Asker> = {}): Asker => ({
    agent,
    nowMs: 0,
    operator: false,
    guarded: true,
    ...more,
  });

  it("ME10 for others the entry keeps its place, its event being message.redacted", () => {
    const { fleet: f, post } = fleet();
    const { seq } = post("alice", ["bob", "nobody"], "secret", { thread: "plan" });
    const entry = f.entries[seq - 1];
    if (entry === undefined) throw new Error("no entry");
    const shown = redacted(entry, asker("carol"));
    expect(shown.seq).toBe(seq);
    expect(shown.events[0]).toEqual({ type: "message.redacted", message: `m${seq}` });
    expect(JSON.stringify(shown)).not.toMatch(/secret|plan|bob|nobody/);
    for (const who of [
      asker("alice"),
      asker("bob"),
      asker("nobody"),
      asker("carol", { operator: true }),
      asker("carol", { guarded: false }),
    ]) {
      expect(redacted(entry, who)).toBe(entry);
    }
  });

  it("ME10 a broadcast is for everybody", () => {
    const { fleet: f, post } = fleet();
    const entry = f.entries[post("alice", "all", "news").seq - 1];
    if (entry === undefined) throw new Error("no entry");
    expect(redacted(entry, asker("carol"))).toBe(entry);
  });

  it("ME10 no query shows it to others", () => {
    const { fleet: f, post } = fleet();
    const root = post("alice", "bob", "secret", { thread: "plan" }).result.message;
    const guarded = { guarded: true };
    const readers = (method: string, params: object) =>
      ["alice", "bob", "carol"].filter((name) =>
        JSON.stringify(f.ask(name, method, params, guarded)).includes("secret"),
      );
    expect(readers("thread.read", { thread: "plan" })).toEqual(["alice", "bob"]);
    expect(readers("thread.read", { thread: root })).toEqual(["alice", "bob"]);
    expect(readers("threads.list", {})).toEqual(["alice", "bob"]);
    expect(readers("inbox.list", { agent: "bob" })).toEqual(["alice", "bob"]);
    const operator = f.ask("carol", "thread.read", { thread: "plan" }, { guarded: true, operator: true });
    expect(operator.items).toHaveLength(1);
    // Nor may a thread's name be learnt by answering in it.
    const told = post("carol", "alice", "hm", { replyTo: root });
    expect(told.result.thread).toBe(root);
    expect(f.ask("carol", "threads.list", {}, guarded).items).toMatchObject([{ thread: root, messages: 1 }]);
  });

  it("ME10 threads are listed by the newest message that the asker may read", () => {
    const { fleet: f, post } = fleet();
    post("alice", "all", "1", { thread: "first" });
    post("alice", "all", "2", { thread: "second" });
    post("alice", "bob", "3", { thread: "first" });
    const names = (agent: string) =>
      f
        .ask(agent, "threads.list", {}, { guarded: true })
        .items.map(({ thread }: { thread: string }) => thread);
    expect(names("bob")).toEqual(["first", "second"]);
    expect(names("carol")).toEqual(["second", "first"]);
  });

  it("ME10 a reader's copy, folded from what it may read, forgets in step with its hub", () => {
    const settings = { messagesMax: 3 };
    const { fleet: f, post } = fleet(settings);
    const copy = new Fleet(settings);
    post("alice", "all", "one");
    post("alice", "bob", "two");
    post("alice", "bob", "three");
    post("alice", "all", "four");
    copy.entries.length = 0;
    for (const entry of f.entries) copy.entries.push(redacted(entry, asker("carol")));
    copy.replay();
    const mine = (fleet: Fleet) => fleet.ask("carol", "inbox.list").items;
    expect(mine(copy)).toEqual(mine(f));
    expect(mine(copy)).toMatchObject([{ body: "four" }]);
    for (const part of ["messages", "inbox"] as const) {
      const seqs = (fleet: Fleet) => {
        const { messages, inbox } = fleet.state;
        return [...(part === "messages" ? messages.bySeq : inbox.posted).keys()];
      };
      expect(seqs(copy), part).toEqual(seqs(f));
    }
    expect(JSON.stringify(copy.entries)).not.toMatch(/two|three/);
  });
});

describe("retention", () => {
  it("ME12 the newest messages are kept; inboxes and threads forget with them", () => {
    const { fleet: f, post } = fleet({ messagesMax: 3 });
    const root = post("alice", "bob", "1").result.message;
    post("bob", "alice", "2", { replyTo: root });
    post("alice", "all", "3");
    expect(f.ask("bob", "inbox.list").items).toHaveLength(2);
    post("alice", "late", "4");
    expect(f.ask("bob", "inbox.list").items).toMatchObject([{ body: "3" }]);
    expect(f.ask("bob", "thread.read", { thread: root }).items).toMatchObject([{ body: "2" }]);
    expect(post("bob", "alice", "x", { replyTo: root }).refused).toBe("message.unknown");
    expect(f.ask("alice", "state.summary").messages).toBe(3);
    post("alice", "bob", "5");
    expect(f.ask("bob", "thread.read", { thread: root }).rejection.code).toBe("thread.unknown");
    expect(f.ask("bob", "threads.list").items).toEqual([]);
    post("alice", "bob", "6");
    post("alice", "bob", "7");
    expect(f.ask("bob", "inbox.list").items.map((item: { body: string }) => item.body)).toEqual([
      "5",
      "6",
      "7",
    ]);
    expect(f.state.inbox.boxes.has("late")).toBe(false);
    expect(f.state.inbox.broadcasts.size).toBe(0);
    verify(f);
  });
});
