/**
 * A queue whose ends are both cheap, however long it is.
 */
export class Queue<T> {
  private items: T[];
  private head = 0;

  constructor(items: readonly T[] = []) {
    this.items = [...items];
  }

  get size(): number {
    return this.items.length - this.head;
  }

  push(item: T): void {
    this.items.push(item);
  }

  /** Puts one back in front. */
  putBack(item: T): void {
    if (this.head > 0) this.items[--this.head] = item;
    else this.items.unshift(item);
  }

  peek(): T | undefined {
    return this.items[this.head];
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.items[this.head] as T;
    this.head += 1;
    // Taken ones are let go in bulk, so that each costs a constant time on average.
    if (this.head >= 64 && this.head * 2 >= this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }

  /** Takes out everything, in order. */
  drain(): readonly T[] {
    const all = this.items.slice(this.head);
    this.items = [];
    this.head = 0;
    return all;
  }
}
