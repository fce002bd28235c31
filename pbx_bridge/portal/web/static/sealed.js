// A sealed recording, read by ranges: age v1's payload, chunk by chunk, each authenticated before a byte of it is used.
// The header was opened before, with the viewer's own key; the file key stays in this page.
import { chacha20poly1305 } from "./age.js";

const CHUNK = 64 * 1024;
const PART = CHUNK + 16;
const NONCE = 16;
const KEPT = 48; // parts in memory: 3 MiB
const AT_ONCE = 4; // parts of one request

export class Damaged extends Error {}

async function streamKey(fileKey, nonce) {
  const base = await crypto.subtle.importKey("raw", fileKey, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: nonce, info: new TextEncoder().encode("payload") };
  return new Uint8Array(await crypto.subtle.deriveBits(how, base, 256));
}

export class Sealed {
  // `url` gives the payload's bytes by ranges; it has `bytes` in all.
  constructor(url, fileKey, bytes) {
    this.url = url;
    this.fileKey = fileKey;
    this.bytes = bytes;
    this.parts = Math.ceil((bytes - NONCE) / PART);
    this.kept = new Map();
    this.seen = null; // told of each part that comes: its place in the clear file and its bytes
    const last = bytes - NONCE - (this.parts - 1) * PART - 16;
    if (!(bytes > NONCE && last >= 0 && (last > 0 || this.parts === 1))) throw new Damaged("a length that no sealed file has");
    this.size = (this.parts - 1) * CHUNK + last;
  }

  // The first parts and the last one: a file that was cut is found here, before anything of it plays.
  async open() {
    const head = await this.fetch(0, Math.min(this.bytes, NONCE + 2 * PART));
    this.key = await streamKey(this.fileKey, head.subarray(0, NONCE));
    this.fileKey = null;
    for (let n = 0, at = NONCE; n < Math.min(2, this.parts); n += 1, at += PART) this.keep(n, this.take(n, head.subarray(at, at + PART)));
    await this.load(this.parts - 1, this.parts - 1);
    return this;
  }

  async fetch(start, end) {
    const answer = await fetch(this.url, { headers: { range: `bytes=${start}-${end - 1}`, accept: "application/json" }, cache: "no-store" });
    if (!answer.ok) throw new Error((await answer.json()).text);
    const got = new Uint8Array(await answer.arrayBuffer());
    if (answer.status !== 206 || got.length !== end - start) throw new Damaged("less came than was asked for");
    return got;
  }

  take(n, sealed) {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(7, n);
    nonce[11] = n === this.parts - 1 ? 1 : 0;
    let clear;
    try {
      clear = chacha20poly1305(this.key, nonce).decrypt(sealed);
    } catch {
      throw new Damaged(`part ${n} is not as it was sealed`);
    }
    return clear;
  }

  keep(n, clear) {
    this.kept.delete(n); // the newest stands last
    this.kept.set(n, clear);
    while (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
  }

  // Clear parts `low` to `high`, held by the caller: others read at the same time, and the memory kept is bounded.
  async load(low, high) {
    const { found, fresh } = await this.gather(low, high);
    found.forEach((clear, at) => this.keep(low + at, clear));
    for (const n of fresh) this.seen?.(n * CHUNK, found[n - low]);
    return found;
  }

  // The same without keeping them: for who goes through the whole file beside the player. All of them are told.
  async pass(low, high) {
    const { found } = await this.gather(low, high);
    found.forEach((clear, at) => this.seen?.((low + at) * CHUNK, clear));
  }

  async gather(low, high) {
    const found = [];
    const fresh = [];
    for (let n = low; n <= high; n += 1) if (this.kept.has(n)) found[n - low] = this.kept.get(n);
    let first = low;
    let last = high;
    while (first <= last && found[first - low]) first += 1;
    while (last >= first && found[last - low]) last -= 1;
    if (first <= last) {
      const sealed = await this.fetch(NONCE + first * PART, Math.min(this.bytes, NONCE + (last + 1) * PART));
      for (let n = first; n <= last; n += 1) {
        found[n - low] = this.take(n, sealed.subarray((n - first) * PART, (n - first + 1) * PART));
        fresh.push(n);
      }
    }
    return { found, fresh };
  }

  // Clear bytes from `first` on, at most to `last`: as many as one request brings.
  async read(first, last) {
    const low = Math.floor(first / CHUNK);
    const high = Math.min(Math.floor(last / CHUNK), low + AT_ONCE - 1);
    const found = await this.load(low, high);
    const whole = new Uint8Array(Math.min(last + 1, (high + 1) * CHUNK) - first);
    for (let n = low, at = 0; n <= high; n += 1) {
      const from = n === low ? first - low * CHUNK : 0;
      const piece = found[n - low].subarray(from, from + whole.length - at);
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}
