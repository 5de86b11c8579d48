/**
 * Text: how much of it there is.
 */

/** Length of a string in bytes of UTF-8; a lone surrogate counts 3, as its replacement would take. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) bytes += 1;
    else if (code < 0xd800 || code > 0xdbff) bytes += 2;
    else {
      const next = text.charCodeAt(i + 1);
      bytes += 2;
      // A pair takes 4 bytes in all: 2 units are counted already, 2 were just added.
      if (next >= 0xdc00 && next <= 0xdfff) i++;
    }
  }
  return bytes;
}
