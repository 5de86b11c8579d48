/**
 * A PUBLISH packet of quality of service 0 (MQTT 3.1.1, 3.3), made without a library: it is what every frame to a
 * client becomes, and what one entry to many clients is made into once.
 */

/** The bytes of the packet. */
export function publishPacket(topic: string, payload: string | Uint8Array): Buffer {
  const topicBytes = Buffer.byteLength(topic);
  const payloadBytes = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  let remaining = 2 + topicBytes + payloadBytes;
  const headBytes = remaining < 128 ? 2 : remaining < 16_384 ? 3 : remaining < 2_097_152 ? 4 : 5;
  const packet = Buffer.allocUnsafe(headBytes + remaining);
  packet[0] = 0x30;
  let at = 1;
  for (; remaining >= 128; remaining >>>= 7) packet[at++] = (remaining & 0x7f) | 0x80;
  packet[at++] = remaining;
  at = packet.writeUInt16BE(topicBytes, at);
  at += packet.write(topic, at);
  if (typeof payload === "string") packet.write(payload, at);
  else packet.set(payload, at);
  return packet;
}
