/**
 * The gate: whether changes may become a commit, given who holds what they touch and under which epoch they
 * were made.
 */
import { limits } from "../../core/limits.ts";
import type { Scope } from "../../core/model/scopes.ts";
import { safeLine } from "../place/plain.ts";
import type { GitClaim } from "./claimed.ts";
import { coversName, scopeOfName, type Touched } from "./names.ts";

/** A live claim, as far as the gate looks at it. */
export interface Held {
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
  readonly shared: boolean;
  readonly scope?: Scope;
  readonly note?: string;
  readonly remainingMs: number;
  readonly git?: { readonly branch?: string };
}

/** Live claims that cover any of a scope; `more` where not all could be told. */
export type Ask = (
  scope: Pick<Scope, "files" | "paths">,
) => Promise<{ readonly items: readonly Held[]; readonly more: boolean }>;

/** Why one file is refused: a `claim.overlap` with another's claim, or a `claim.stale` epoch of one's own. */
export interface GateRefusal {
  readonly code: "claim.overlap" | "claim.stale";
  readonly file: string;
  readonly claim: string;
  readonly holder?: string;
  readonly epoch: number;
  readonly remainingMs?: number;
  readonly worktree?: string;
  /** At most 400 characters. */
  readonly message: string;
}

/** Files whose holder is somebody else, in the order given. `isMine` tells whose claims are no obstacle. */
export async function heldByOthers(
  touched: readonly Touched[],
  ask: Ask,
  isMine: (claim: Held) => boolean,
): Promise<readonly GateRefusal[]> {
  const refused: GateRefusal[] = [];
  for (const some of portions(touched)) refused.push(...(await judge(some, ask, isMine)));
  return refused;
}

async function judge(
  touched: readonly Touched[],
  ask: Ask,
  isMine: (claim: Held) => boolean,
): Promise<readonly GateRefusal[]> {
  const scopes = touched.map(scopeOfName);
  const files = scopes.flatMap((scope) => scope.files ?? []);
  const paths = scopes.flatMap((scope) => scope.paths ?? []);
  const scope = { ...(files.length === 0 ? {} : { files }), ...(paths.length === 0 ? {} : { paths }) };
  const { items, more } = await ask(scope);
  if (more && touched.length > 1) {
    const half = touched.length >> 1;
    const first = await judge(touched.slice(0, half), ask, isMine);
    return [...first, ...(await judge(touched.slice(half), ask, isMine))];
  }
  const mine = items.filter(isMine);
  // What is overdue would give way to whoever asks; only nobody has written that down yet.
  const others = items.filter((claim) => !isMine(claim) && claim.remainingMs > 0);
  return others.length === 0 ? [] : touched.flatMap((one) => refusalOf(one, others, mine) ?? []);
}

/** The claim that refuses a file: any exclusive one of others; a shared one unless one shares in it. */
function refusalOf(one: Touched, others: readonly Held[], mine: readonly Held[]): GateRefusal | undefined {
  const held = coveringOf(one, others);
  const sharing = held.every(({ shared }) => shared) && coveringOf(one, mine).some(({ shared }) => shared);
  const claim = held.find(({ shared }) => !shared) ?? held[0];
  return claim === undefined || sharing ? undefined : overlap(one.name, claim);
}

function coveringOf(one: Touched, claims: readonly Held[]): readonly Held[] {
  const scoped = claims.flatMap((claim) =>
    claim.scope === undefined ? [] : [{ claim, scope: claim.scope }],
  );
  const found = scoped.filter(({ scope }) => coversName(scope, one, false));
  // The log may compare without case; which claims could be meant it has said already.
  const all = found.length > 0 ? found : scoped.filter(({ scope }) => coversName(scope, one, true));
  return all.map(({ claim }) => claim);
}

/**
 * Files that were changed under a grant which is over: whoever holds them now, or held them since, does not
 * know of this work. `currentOf` tells the live claim of an id.
 */
export async function underOldEpochs(
  touched: readonly Touched[],
  records: readonly GitClaim[],
  currentOf: (claim: string) => Promise<Held | undefined>,
): Promise<readonly GateRefusal[]> {
  const refused: GateRefusal[] = [];
  for (const record of records) {
    const files = touched.filter((one) => coversName(record.scope, one, false));
    if (files.length === 0) continue;
    const current = await currentOf(record.claim);
    const stands =
      current?.holder === record.agent && current.epoch === record.epoch && current.remainingMs > 0;
    if (!stands) refused.push(...files.map((one) => stale(one.name, record, current)));
  }
  return refused;
}

function overlap(file: string, held: Held): GateRefusal {
  const { claim, holder, epoch, remainingMs, note, scope } = held;
  const worktree = scope?.worktree;
  const about = note === undefined ? "" : ` ("${clip(note, 48)}")`;
  const message =
    `${clip(file, 110)} is held by ${clip(holder, 36)} as ${clip(claim, 36)}${about} for another ` +
    `${span(remainingMs)}. Leave it out of the commit, or ask ${clip(holder, 36)} to release it; nothing was committed.`;
  const where = worktree === undefined ? {} : { worktree };
  return { code: "claim.overlap", file, claim, holder, epoch, remainingMs, ...where, message };
}

function stale(file: string, { claim, epoch }: GitClaim, current: Held | undefined): GateRefusal {
  const over = current === undefined || current.remainingMs <= 0;
  const now = over ? "has ended" : `was granted anew (epoch ${current.epoch}, ${clip(current.holder, 30)})`;
  const message =
    `${clip(file, 110)} was changed under epoch ${epoch} of ${clip(claim, 30)}, which ${now}. Others may have changed it ` +
    `since: claim it again (holdfast git claim ${clip(claim, 30)}), look, then commit; nothing was committed.`;
  const holder = over ? {} : { holder: current.holder };
  return { code: "claim.stale", file, claim, epoch, ...holder, message };
}

/** Names are asked for in portions that fit one scope and one frame; what needs a pattern alone. */
function* portions(touched: readonly Touched[]): IterableIterator<readonly Touched[]> {
  let some: Touched[] = [];
  let size = 0;
  for (const one of touched) {
    if (scopeOfName(one).files === undefined) {
      yield [one];
      continue;
    }
    if (some.length === limits.scopePathsMax || size > PORTION_MAX) {
      yield some;
      some = [];
      size = 0;
    }
    some.push(one);
    size += one.name.length;
  }
  if (some.length > 0) yield some;
}

/** Characters of the names asked for at once: three bytes each stay well within a frame. */
const PORTION_MAX = limits.frameBytesMax / 8;

function clip(text: string, max: number): string {
  const line = safeLine(text);
  return line.length > max ? `${line.slice(0, max - 1)}…` : line;
}

function span(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  if (ms < 90_000) return `${Math.ceil(ms / 1000)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
