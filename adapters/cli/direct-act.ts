/**
 * Acting on a log without a hub: an engine in this process, for as long as the command takes.
 */
import { type Caller, openVisit } from "../../core/client/visit.ts";
import { memoryPair } from "../../transports/memory/pair.ts";
import { openEngineOnLog } from "../node/engine.ts";
import { systemChance, systemClock } from "../node/system.ts";
import type { Opening } from "./reach.ts";

/**
 * Opens the log in `file`, made when there is none, and a session on it. Throws what opening a log throws.
 */
export async function actDirectly(file: string, opening: Opening): Promise<Caller> {
  const served = await openEngineOnLog({ log: `sqlite:${file}` });
  try {
    const dial = async () => {
      const [near, far] = memoryPair();
      served.engine.accept(far);
      return near;
    };
    const visit = await openVisit({ dial, opening, clock: systemClock, chance: systemChance });
    const close = visit.close.bind(visit);
    visit.close = async () => {
      await close();
      await served.close();
    };
    return visit;
  } catch (error) {
    await served.close();
    throw error;
  }
}
