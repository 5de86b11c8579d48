/**
 * Chance from a seed: independent streams by label, so that switching one kind of fault off shifts no other.
 */

/** A stream of numbers that is the same for the same seed and label. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;

  constructor(seed: number, label: string) {
    let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193) >>> 0;
    this.a = hash;
    this.b = Math.imul(hash ^ seed, 0xc2b2ae35) >>> 0;
    this.c = seed >>> 0;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** From 0 (included) to 1 (excluded). */
  next(): number {
    const sum = (this.a + this.b + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  /** True once in `1 / share` on average. */
  happens(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)] as T;
  }

  /** One of the values, each as often as its weight says. */
  weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T {
    let left = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, value] of choices) {
      left -= weight;
      if (left < 0) return value;
    }
    return (choices[choices.length - 1] as readonly [number, T])[1];
  }

  /** Around `mean`, mostly less, now and then much more. */
  long(mean: number): number {
    return Math.floor(-Math.log(1 - this.next()) * mean);
  }

  /** An id as the port asks for it. */
  id(): string {
    let id = "";
    while (id.length < 22) id += Math.floor(this.next() * 0x1_0000_0000).toString(36);
    return id.slice(0, 22);
  }
}
