/**
 * `status`: the state at a glance.
 */
import { exits, type Run } from "./command.ts";
import { reaching } from "./reach.ts";
import { safeText } from "./render.ts";

export const statusVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    const { client, agent, hub, file, empty } = reached;
    const summary = await client.call("state.summary", {});
    const through = hub === undefined ? { file: file as string } : { hub };
    const durable = client.session?.durable;
    const said = { ...summary, ...through, agent, durable, ...(empty === true ? { empty } : {}) };
    command.out.data(said, () => {
      const { agents, claims, waits } = summary;
      const lines = [
        hub === undefined
          ? `log     ${file}${empty === true ? " (not there yet)" : ""}, no hub`
          : `hub     ${hub}`,
        `entries ${empty === true ? 0 : summary.seq}`,
        `agents  ${agents.present} here, ${agents.idle} idle, ${agents.gone} gone`,
        `claims  ${claims} held, ${waits} waiting`,
        `you     ${agent}`,
      ];
      if (durable === "relaxed") lines.push("relaxed: what was acknowledged last may be lost with the power");
      return safeText(lines.join("\n"));
    });
    return exits.ok;
  });
