/**
 * The verbs of shared things: resources that are offered and reserved, channels that are joined.
 */
import { usage } from "./arguments.ts";
import { type Command, exits, type Run } from "./command.ts";
import { formatSpan } from "./durations.ts";
import { Epochs } from "./epochs.ts";
import { type Reached, reaching } from "./reach.ts";
import { safeLine, table } from "./render.ts";
import { sayEmpty, sayMore } from "./views.ts";

const ROWS = 1000;
/** Reservations are remembered among the grants, under names that no claim can have. */
const memoryName = (name: string): string => `\0resource ${name}`;

export const resourceVerb: Run = (command) => {
  const { args } = command;
  const what = args.words[0] ?? "list";
  const name = () => args.words[1] ?? usage("NAME is missing: which resource?");
  switch (what) {
    case "list":
      return listResources(command);
    case "offer":
      return offer(command, name());
    case "withdraw":
      return reaching(command, "act", async ({ client }) => {
        const withdrawn = await client.call("resource.withdraw", { name: name() });
        command.out.data(withdrawn, () => safeLine(`${name()}: withdrawn`));
        return exits.ok;
      });
    case "reserve":
      return reserve(command, name());
    case "return":
      return giveBack(command, name());
    default:
      return usage("holdfast resource takes offer, withdraw, reserve, return or list.");
  }
};

function offer(command: Command, name: string): Promise<number> {
  const { args, out } = command;
  const kind = args.text("kind") ?? usage("--kind is missing: what sort of thing is it?");
  const capacity = args.integer("capacity");
  const ttlMs = args.durationMs("ttl");
  return reaching(command, "act", async ({ client }) => {
    const offered = await client.call("resource.offer", {
      name,
      kind,
      ...(capacity === undefined ? {} : { capacity }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
    });
    out.data(offered, () => safeLine(`${name}: offered`));
    return exits.ok;
  });
}

function reserve(command: Command, name: string): Promise<number> {
  const { args, out } = command;
  return reaching(command, "act", async (reached) => {
    const units = args.integer("units");
    const ttlMs = args.durationMs("ttl");
    const note = args.text("note");
    const epoch = args.integer("epoch");
    const reserved = (await reached.client.call("resource.reserve", {
      name,
      ...(units === undefined ? {} : { units }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(note === undefined ? {} : { note }),
      ...(epoch === undefined ? {} : { epoch }),
    })) as unknown as { readonly epoch: number };
    new Epochs(reached).remember(memoryName(name), reserved.epoch);
    out.data(reserved, () => safeLine(`${name}: reserved, epoch ${reserved.epoch}`));
    return exits.ok;
  });
}

function giveBack(command: Command, name: string): Promise<number> {
  const { args, out } = command;
  return reaching(command, "act", async (reached) => {
    const epochs = new Epochs(reached);
    const epoch =
      args.integer("epoch") ?? epochs.recall(memoryName(name))?.epoch ?? (await only(reached, name));
    const returned = await reached.client.call("resource.return", { name, epoch });
    epochs.end(memoryName(name), epoch);
    out.data(returned, () => safeLine(`${name}: returned`));
    return exits.ok;
  });
}

/** The epoch of the agent's one reservation of a resource. */
async function only({ client, agent }: Reached, name: string): Promise<number> {
  const { items } = await client.call("resources.list", { name });
  const own = items[0]?.reservations.filter((reservation) => reservation.agent === agent) ?? [];
  if (own.length !== 1)
    usage(`--epoch is missing: you hold ${own.length} reservations of ${safeLine(name)}.`);
  return own[0]?.epoch as number;
}

function listResources(command: Command): Promise<number> {
  return reaching(command, "look", async (reached) => {
    const { args, out } = command;
    sayEmpty(command, reached);
    const kind = args.text("kind");
    const page = await reached.client.call("resources.list", {
      limit: args.integer("limit") ?? ROWS,
      ...(kind === undefined ? {} : { kind }),
    });
    out.data(page, () =>
      page.items.length === 0
        ? ""
        : table(
            ["RESOURCE", "KIND", "FREE", "OFFERED BY", "LEFT", "RESERVED BY"],
            page.items.map(({ name, kind, free, capacity, agent, remainingMs, reservations }) => [
              name,
              kind,
              `${free} of ${capacity}`,
              agent,
              remainingMs <= 0 ? "overdue" : formatSpan(remainingMs),
              reservations.map((one) => `${one.agent} (${one.units})`).join(" "),
            ]),
          ),
    );
    sayMore(command, page.next);
    return exits.ok;
  });
}

export const channelVerb: Run = (command) => {
  const { args, out } = command;
  const what = args.words[0] ?? "list";
  if (what === "list") return listChannels(command);
  if (what !== "create" && what !== "join" && what !== "leave") {
    return usage("holdfast channel takes create, join, leave or list.");
  }
  const channel = args.words[1] ?? usage("NAME is missing: which channel?");
  const topic = args.text("topic");
  if (topic !== undefined && what !== "create") usage("--topic goes with create.");
  return reaching(command, "act", async ({ client }) => {
    const about = topic === undefined ? {} : { topic };
    const done = await client.send(`channel.${what}`, { channel, ...about });
    const said = { create: "opened", join: "joined", leave: "left" }[what];
    out.data(done, () => safeLine(`#${channel.replace(/^#/, "")}: ${said}`));
    return exits.ok;
  });
};

function listChannels(command: Command): Promise<number> {
  return reaching(command, "look", async (reached) => {
    const { args, out } = command;
    sayEmpty(command, reached);
    const limit = args.integer("limit") ?? ROWS;
    const mine = args.flag("mine") ? { member: reached.agent } : {};
    const page = await reached.client.call("channels.list", { limit, ...mine });
    out.data(page, () =>
      page.items.length === 0
        ? ""
        : table(
            ["CHANNEL", "MEMBERS", "OPENED BY", "WHO", "TOPIC"],
            page.items.map(({ channel, memberCount, createdBy, members, topic }) => [
              `#${channel}`,
              memberCount,
              createdBy,
              `${members.slice(0, 5).join(" ")}${memberCount > 5 ? " …" : ""}`,
              topic,
            ]),
          ),
    );
    sayMore(command, page.next);
    return exits.ok;
  });
}
