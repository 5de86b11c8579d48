/**
 * The view: who holds what, who waits, what was refused and why. A screen that is drawn again and again on
 * a terminal, lines elsewhere.
 */
import { queries } from "../../../core/index.ts";
import { safeLine, table, write } from "../render.ts";
import type { Fleet } from "./fleet.ts";
import type { Denied } from "./testimony.ts";

const REDRAW_MS = 120;
const LINE_MS = 1000;
/** Of refusals with one code, the first so many are told as lines. */
const TOLD_PER_CODE = 4;
const HOLDERS_SHOWN = 14;

export class View {
  private readonly fleet: Fleet;
  private readonly isTerminal: boolean;
  private readonly startedMs = performance.now();
  private readonly told = new Map<string, number>();
  private readonly news: string[] = [];
  private readonly refusals: string[] = [];
  private readonly timer: NodeJS.Timeout;
  private ended = false;

  constructor(fleet: Fleet, isTerminal: boolean) {
    this.fleet = fleet;
    this.isTerminal = isTerminal;
    fleet.testimony.onDenied = (denied) => this.refused(denied);
    this.timer = setInterval(() => this.beat(), isTerminal ? REDRAW_MS : LINE_MS);
  }

  /** Something that happens once. */
  say(words: string): void {
    const line = `${this.elapsed()}  ${safeLine(words)}`;
    if (!this.isTerminal || this.ended) write(1, `${line}\n`);
    else this.news.push(line);
  }

  /** Lets the screen stand as it is now; what is said from here on follows below. */
  end(): void {
    clearInterval(this.timer);
    if (this.isTerminal && !this.ended) this.draw();
    this.ended = true;
    this.fleet.testimony.onDenied = () => {};
  }

  private refused({ agent, code, message }: Denied): void {
    if (code === "task.none-ready") return;
    const count = (this.told.get(code) ?? 0) + 1;
    this.told.set(code, count);
    const line = `${this.elapsed()}  refused ${agent}, ${code}: ${safeLine(message)}`;
    this.refusals.push(clip(line, 150));
    if (!this.isTerminal && count <= TOLD_PER_CODE) write(1, `${line}\n`);
  }

  private beat(): void {
    if (this.isTerminal) this.draw();
    else this.say(this.sentence());
  }

  private sentence(): string {
    const { fleet } = this;
    const live = [...fleet.state.claims.live.values()];
    const some = live.slice(0, 3).map(({ holder, claim }) => `${holder} ${claim}`);
    const held = live.length === 0 ? "" : `: ${some.join(", ")}${live.length > 3 ? " …" : ""}`;
    const waits = fleet.state.waits.bySeq.size;
    return `${fleet.done} of ${fleet.size} done, ${waits} wait, ${this.refusals.length} refused, ${live.length} held${held}`;
  }

  private draw(): void {
    const { fleet } = this;
    const { state } = fleet;
    const width = process.stdout.columns || 100;
    const lines: string[] = [
      `holdfast demo  ${this.elapsed()}  ${this.sentence().split(", ").slice(0, 3).join(", ")}`,
    ];
    const barWidth = Math.min(60, width - 10);
    const filled = Math.round((fleet.done / Math.max(1, fleet.size)) * barWidth);
    lines.push(`${"█".repeat(filled)}${"░".repeat(barWidth - filled)}`, "");
    const asker = { agent: "", nowMs: 0, operator: false, guarded: false };
    const claims = [...state.claims.live.values()];
    const rows = claims.slice(0, HOLDERS_SHOWN).map(({ claim, holder, epoch, status, scope, shared }) => {
      const covered = scope?.files ?? scope?.paths ?? [];
      const more = covered.length > 1 ? ` +${covered.length - 1}` : "";
      return [holder, claim, epoch, shared ? "shared" : status, `${covered[0] ?? "(its id alone)"}${more}`];
    });
    lines.push(...table(["holder", "claim", "epoch", "status", "covers"], rows).split("\n"));
    lines.push(...Array<string>(HOLDERS_SHOWN - rows.length).fill(""));
    const waiting = queries["waits.list"].answer(state, { limit: 4 }, asker);
    const queue = "items" in waiting ? waiting.items : [];
    lines.push(
      "",
      ...queue.map(
        (wait) =>
          `waits    ${wait.agent} for ${(wait.scope?.files ?? wait.scope?.paths ?? [wait.claim]).join(", ")}`,
      ),
    );
    lines.push(...Array<string>(4 - queue.length).fill(""), "");
    lines.push(...this.refusals.slice(-5), "", ...this.news.slice(-7));
    const screen = lines.map((line) => clip(line, width - 1)).join("\n\u001b[K");
    write(1, `\u001b[H\u001b[K${screen}\n\u001b[J`);
  }

  private elapsed(): string {
    return `${((performance.now() - this.startedMs) / 1000).toFixed(1).padStart(5)} s`;
  }
}

function clip(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
}
