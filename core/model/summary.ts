/**
 * The state at a glance.
 */
import { isOperator } from "./agents.ts";
import { unacknowledgedCount } from "./inbox.ts";
import { query } from "./slice.ts";
import { taskCounts } from "./task-queries.ts";

export const stateQueries = {
  "state.summary": query(
    "Counts of everything that is live, and which log this is.",
    {},
    (state, _, asker) => {
      const count = { present: 0, idle: 0, gone: 0, operators: 0 };
      for (const [agent, { presence }] of state.presence.byName) {
        if (isOperator(state, agent)) {
          if (presence === "present") count.operators += 1;
        } else count[presence] += 1;
      }
      return {
        log: state.log.log,
        format: state.log.format,
        nowMs: asker.nowMs,
        agents: count,
        claims: state.claims.live.size,
        waits: state.waits.bySeq.size,
        tasks: taskCounts(state),
        notes: state.progress.notes.size,
        messages: state.messages.bySeq.size,
        inbox: unacknowledgedCount(state, asker.agent),
        channels: state.channels.byName.size,
        resources: state.resources.byName.size,
        decisions: state.decisions.bySeq.size,
        activities: state.activity.bySeq.size,
        settings: state.log.settings,
      };
    },
  ),
} as const;
