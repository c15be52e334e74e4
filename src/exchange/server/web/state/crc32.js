// CRC-32 (ISO-HDLC, as in zip and zlib) of a short ASCII string.

const TABLE = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** The checksum of `text` as an unsigned number. */
export function crc32(text) {
  let sum = 0xffffffff;
  for (let i = 0; i < text.length; i++) sum = TABLE[(sum ^ text.charCodeAt(i)) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
