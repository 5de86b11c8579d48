/**
 * Fingerprints: tell a repeated command from a different one under the same submission id (SU2).
 *
 * A structural digest of 64 bits that does not depend on the order of keys. It guards against accident, not
 * malice: whoever constructs two commands with one fingerprint fools only itself, since ids are per agent.
 * Digests stand in the log: the function must never change.
 */

// Two lanes of 32 bits, advanced together; constants are those of MurmurHash3 and xxHash.
let a = 0;
let b = 0;

function feed(word: number): void {
  a = Math.imul(a ^ word, 0xcc9e2d51);
  a = (a << 15) | (a >>> 17);
  b = Math.imul(b + word, 0x9e3779b1);
  b = (b << 13) | (b >>> 19);
}

function finish(lane: number): number {
  let x = lane ^ (lane >>> 16);
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return x ^ (x >>> 16);
}

const NULL = 1;
const TRUE = 2;
const FALSE = 3;
const NUMBER = 4;
const STRING = 5;
const LIST = 6;
const OBJECT = 7;

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

function feedString(text: string): void {
  const length = text.length;
  feed(STRING ^ (length << 3));
  const even = length & ~1;
  for (let i = 0; i < even; i += 2) feed(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
  if (even < length) feed(text.charCodeAt(even));
}

/** Sums the fields' digests, each from the same start, so that their order does not matter. */
function feedObject(value: { readonly [key: string]: unknown }): void {
  const [startA, startB] = [a, b];
  let [sumA, sumB, count] = [0, 0, 0];
  for (const key in value) {
    const item = value[key];
    if (item === undefined) continue;
    a = OBJECT;
    b = OBJECT;
    feedString(key);
    feedValue(item);
    // Each lane is mixed with the other: a sum of unmixed lanes would let fields cancel out.
    sumA = (sumA + finish(a ^ finish(b))) | 0;
    sumB = (sumB + finish(b + a)) | 0;
    count++;
  }
  a = startA;
  b = startB;
  feed(OBJECT ^ (count << 3));
  feed(sumA);
  feed(sumB);
}

function feedValue(value: unknown): void {
  if (typeof value === "string") feedString(value);
  else if (typeof value === "number") {
    feed(NUMBER);
    // As JSON: -0 is 0. The halves are swapped on a big-endian machine; there is none left that runs this.
    double[0] = value === 0 ? 0 : value;
    feed(halves[0] as number);
    feed(halves[1] as number);
  } else if (value === true) feed(TRUE);
  else if (value === false) feed(FALSE);
  else if (typeof value !== "object" || value === null) feed(NULL);
  else if (Array.isArray(value)) {
    feed(LIST ^ (value.length << 3));
    for (let i = 0; i < value.length; i++) feedValue(value[i]);
  } else feedObject(value as { readonly [key: string]: unknown });
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const letters = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));

function letter(bits: number): number {
  return letters[bits & 63] as number;
}

/**
 * The fingerprint of a command: 11 characters of base64url. Equal for equal values whatever the order of
 * their keys, fields that are `undefined` being absent; different for values that differ in anything else,
 * with a chance of error of about 2^-64. The command must have passed its check, so that its depth is
 * bounded.
 */
export function fingerprint(command: object): string {
  a = 0x2545f491;
  b = 0x4f6cdd1d;
  feedValue(command);
  const high = finish(a ^ finish(b));
  const low = finish(b + a);
  return String.fromCharCode(
    letter(high >>> 26),
    letter(high >>> 20),
    letter(high >>> 14),
    letter(high >>> 8),
    letter(high >>> 2),
    letter((high << 4) | (low >>> 28)),
    letter(low >>> 22),
    letter(low >>> 16),
    letter(low >>> 10),
    letter(low >>> 4),
    letter(low << 2),
  );
}
