/**
 * `status`: the state at a glance.
 */
import { exits, type Run } from "./command.ts";
import { isMissing, placeOf, type Reached, reachHub } from "./reach.ts";
import { safeText } from "./render.ts";

/** What `state.summary` answers, as far as it is shown. */
interface Summary {
  readonly seq: number;
  readonly agents: { readonly present: number; readonly idle: number; readonly gone: number };
  readonly claims: number;
  readonly waits: number;
  readonly [field: string]: unknown;
}

interface Shown {
  readonly summary: Summary;
  readonly durable: string;
  readonly hub?: string;
  readonly empty?: true;
}

export const statusVerb: Run = async (command) => {
  const { agent, hub } = await reachHub(command, "look");
  const { file } = placeOf(command);
  const shown = hub === undefined ? await directly(file, agent) : await through(hub);
  const { summary, durable, empty } = shown;
  const way = hub === undefined ? { file } : { hub: hub.hub };
  const said = { ...summary, ...way, agent, durable, ...(empty === true ? { empty } : {}) };
  command.out.data(said, () => statusText(shown, file, agent));
  return exits.ok;
};

async function through({ client, hub }: Reached): Promise<Shown> {
  try {
    const summary = (await client.call("state.summary", {})) as unknown as Summary;
    return { summary, durable: client.durable, ...(hub === undefined ? {} : { hub }) };
  } finally {
    await client.close();
  }
}

async function directly(file: string, agent: string): Promise<Shown> {
  if (isMissing(file)) {
    const agents = { present: 0, idle: 0, gone: 0 };
    return { summary: { seq: 0, agents, claims: 0, waits: 0 }, durable: "full", empty: true };
  }
  const { recallStatus } = await import("./direct-status.ts");
  const seen = await recallStatus(file, agent);
  if (seen !== undefined) return { summary: seen.summary as unknown as Summary, durable: seen.durable };
  const { lookDirectly } = await import("./direct-look.ts");
  const client = await lookDirectly(file, agent);
  try {
    const summary = await client.call("state.summary", {});
    client.remember();
    return { summary: summary as unknown as Summary, durable: client.durable };
  } finally {
    await client.close();
  }
}

function statusText({ summary, durable, hub, empty }: Shown, file: string, agent: string): string {
  const { agents, claims, waits, seq } = summary;
  const lines = [
    hub === undefined
      ? `log     ${file}${empty === true ? " (not there yet)" : ""}, no hub`
      : `hub     ${hub}`,
    `entries ${seq}`,
    `agents  ${agents.present} here, ${agents.idle} idle, ${agents.gone} gone`,
    `claims  ${claims} held, ${waits} waiting`,
    `you     ${agent}`,
  ];
  if (durable === "relaxed") lines.push("relaxed: what was acknowledged last may be lost with the power");
  return safeText(lines.join("\n"));
}
