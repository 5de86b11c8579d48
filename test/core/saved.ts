/**
 * A state as it is written into a snapshot, and read back from it.
 */
import { Loading, type State, save, settle } from "../../core/model/model.ts";
import type { Row } from "../../core/model/slice.ts";

/** Every row of the state, with its noun first. */
export function savedRows(state: State): (readonly unknown[])[] {
  return save(state).flatMap(([name, rows]) => [...rows].map((row) => [name, ...row]));
}

/** The state that comes out of saving it, as JSON, and loading it. */
export function reloaded(state: State): State {
  const loading = new Loading();
  for (const [name, rows] of save(state)) loading.take(name, JSON.parse(JSON.stringify([...rows])) as Row[]);
  return settle(loading.done());
}
