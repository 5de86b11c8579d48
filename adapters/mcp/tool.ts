/**
 * A tool: one verb for models, with what it takes and gives, and how it is called.
 */

import type { Client } from "../../core/client/client.ts";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import type { ObjectShape } from "../../core/model/shape.ts";
import { type Check, compile } from "../../core/protocol/schema.ts";
import { withoutMarks } from "./quote.ts";
import { inputSchema, outputSchema } from "./schema.ts";
import type { Seat } from "./seat.ts";

/** Fields as they came in or go out. */
export interface Given {
  readonly [field: string]: unknown;
}

/** Who calls, by whom. */
export interface Caller {
  readonly seat: Seat;
  readonly client: Client;
  /** Aborted when the host does not wait for the answer any more. */
  readonly signal: AbortSignal;
}

/** What a tool answers: fields for programs, and a text for models. */
export interface Answer {
  readonly fields: Given;
  readonly text: string;
}

/** One thing that a tool does. */
export interface Action {
  /** What it takes; also what the tool's schema is made of. */
  readonly takes: ObjectShape;
  /** Its fields hold texts that must come out as they went in: documents, checkpoints. */
  readonly exact?: true;
  /** Changes nothing, so that it is open to a caller without a name. */
  readonly reads?: true;
  /** Given what it takes. Throws `Refused` and `Failure`. */
  readonly run: (given: Given, caller: Caller) => Promise<Answer>;
}

/** A tool as a noun's file describes it. */
export interface ToolSource {
  readonly title: string;
  /** What it does, when to use it, what comes back. */
  readonly description: string;
  /** The first is meant when none is named. */
  readonly actions: { readonly [action: string]: Action };
  /** Fields of its answers worth knowing. */
  readonly gives: ObjectShape["fields"];
}

/** A tool as it is listed. */
export interface ToolListing {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: ReturnType<typeof inputSchema>;
  readonly outputSchema: ReturnType<typeof outputSchema>;
  readonly annotations: { readonly readOnlyHint?: boolean; readonly openWorldHint: boolean };
}

/** What a call came to, as MCP wants it. */
export interface ToolResult {
  readonly [field: string]: unknown;
  readonly content: { type: "text"; text: string }[];
  readonly structuredContent: Given;
  readonly isError?: true;
}

/** A tool that can be listed and called. */
export class Tool {
  readonly listing: ToolListing;
  readonly #actions: { readonly [action: string]: Action };
  readonly #checks = new Map<Action, Check>();

  constructor(name: string, { title, description, actions, gives }: ToolSource) {
    this.#actions = actions;
    const takes = Object.fromEntries(Object.entries(actions).map(([key, { takes }]) => [key, takes]));
    const reads = Object.values(actions).every((action) => action.reads === true);
    this.listing = {
      name,
      title,
      description,
      inputSchema: inputSchema(takes),
      outputSchema: outputSchema(gives),
      annotations: { ...(reads ? { readOnlyHint: true } : {}), openWorldHint: false },
    };
  }

  /** Does what is asked. Never throws: what is refused or wrong is an answer, too. */
  async call(input: unknown, seat: Seat, signal: AbortSignal): Promise<ToolResult> {
    try {
      const { action, given } = this.#understood(input);
      if (seat.agent === undefined && action.reads !== true) throw new Refused(UNNAMED);
      const { fields, text } = await action.run(given, { seat, client: await seat.client(), signal });
      const structuredContent = action.exact === true ? fields : (withoutMarks(fields) as Given);
      return { content: [{ type: "text", text }], structuredContent };
    } catch (error) {
      return failed(error);
    }
  }

  #understood(input: unknown): { readonly action: Action; readonly given: Given } {
    const { name } = this.listing;
    if (typeof input !== "object" || input === null || Array.isArray(input)) {
      throw new Failure("usage", `${name} takes an object of arguments. Nothing was changed.`);
    }
    const names = Object.keys(this.#actions);
    const { action: named, ...rest } = input as Given;
    const key = names.length < 2 && named === undefined ? names[0] : (named ?? names[0]);
    const action =
      typeof key === "string" && Object.hasOwn(this.#actions, key) ? this.#actions[key] : undefined;
    if (action === undefined) {
      const choice = names.length < 2 ? "has no actions" : `takes one of the actions ${names.join(", ")}`;
      throw new Failure("usage", `${name} ${choice}. Nothing was changed.`, { fields: { at: "action" } });
    }
    const check = this.#checks.get(action) ?? compile(action.takes);
    this.#checks.set(action, check);
    const problem = check(rest);
    if (problem === undefined) return { action, given: rest };
    const doing = names.length < 2 ? name : `${name} with action ${String(key)}`;
    const known = Object.keys(action.takes.fields).join(", ");
    throw new Failure(
      "usage",
      `${doing}: ${problem.at || "arguments"} ${problem.why}. It takes ${known}. Nothing was changed.`,
      { fields: { at: problem.at, why: problem.why } },
    );
  }
}

const UNNAMED = {
  code: "agent.unnamed",
  message:
    "This hub cannot tell who you are, so you may look but not act. Whoever set it up must name you: the header " +
    "Holdfast-Agent: NAME, or ?agent=NAME in the url of the server. Nothing was changed.",
};

/** What went wrong, as an answer: the sentence for the model, the rest for programs. */
function failed(error: unknown): ToolResult {
  if (error instanceof Refused) return erroneous(error.message, { ...error.rejection });
  if (error instanceof Failure) {
    const { code, message, definite, fields } = error;
    const doubt =
      definite || message.includes("may have happened")
        ? ""
        : " It may have happened; look before you try again.";
    return erroneous(`${message}${doubt}`, { ...fields, code, message, definite });
  }
  const message = error instanceof Error ? error.message : String(error);
  return erroneous(`Something went wrong here: ${message}`, { code: "failed", message });
}

function erroneous(text: string, fields: Given): ToolResult {
  return { content: [{ type: "text", text }], structuredContent: fields, isError: true };
}
