// Signatures of requests: hex(HMAC-SHA256(secret, timestamp + METHOD + path?query + body)).

import { hmacSha256 } from "./sha256.js";

const encoder = new TextEncoder();
let lastTimestamp = 0;
let clockOffsetMs = 0;

/** Learn the exchange's wall clock, for computers whose own clock is wrong. */
export function noteServerClock(wallMs) {
  const offset = wallMs - Date.now();
  clockOffsetMs = Math.abs(offset) > 1000 ? offset : 0;
}

/** A timestamp in milliseconds that has not been used before. */
export function newTimestamp() {
  lastTimestamp = Math.max(Math.round(Date.now() + clockOffsetMs), lastTimestamp + 1);
  return String(lastTimestamp);
}

/** Sign `text` with `secret`; hexadecimal. */
export async function sign(secret, text) {
  const key = encoder.encode(secret);
  const bytes = encoder.encode(text);
  const sum = globalThis.crypto?.subtle ? await signNative(key, bytes) : hmacSha256(key, bytes);
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function signNative(key, bytes) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes));
}
