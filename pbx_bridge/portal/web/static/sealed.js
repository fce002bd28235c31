// A sealed recording, read by ranges: age v1's payload, chunk by chunk, each authenticated before a byte of it is used.
// The header was opened before, with the viewer's own key; the file key stays in this page.
import { chacha20poly1305 } from "./age.js";

const CHUNK = 64 * 1024;
const PART = CHUNK + 16;
const NONCE = 16;
const KEPT = 48; // parts in memory: 3 MiB; the last ones among them as long as the page is there
const AT_ONCE = 4; // parts of one request, when they are read one after the other
const FIRST = 5; // parts with which a recording opens: its head and its first picture
const LAST = 2; // and its end: index and marks

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
    this.coming = new Map(); // promises of parts that are on their way
    this.renew = null; // brings a new visit
    this.renewing = null;
    this.seen = null; // told of each part that comes: its place in the clear file and its bytes
    const last = bytes - NONCE - (this.parts - 1) * PART - 16;
    if (!(bytes > NONCE && last >= 0 && (last > 0 || this.parts === 1))) throw new Damaged("a length that no sealed file has");
    this.size = (this.parts - 1) * CHUNK + last;
  }

  // The first parts and the last ones: a file that was cut is found here, before anything of it plays.
  async open() {
    const tail = Math.max(0, this.parts - LAST);
    const [head, rest] = await Promise.all([
      this.fetch(0, Math.min(this.bytes, NONCE + FIRST * PART)),
      this.fetch(NONCE + tail * PART, this.bytes),
    ]);
    this.nonce = head.slice(0, NONCE);
    this.key = await streamKey(this.fileKey, this.nonce);
    this.fileKey = null;
    for (let n = tail; n < this.parts; n += 1) this.keep(n, this.take(n, rest.subarray((n - tail) * PART, (n - tail + 1) * PART)));
    for (let n = 0; n < Math.min(FIRST, tail); n += 1) this.keep(n, this.take(n, head.subarray(NONCE + n * PART, NONCE + (n + 1) * PART)));
    return this;
  }

  // Without a visit nothing is given: it is renewed once, by all who ask at the same time.
  async answer(start, end, again = false) {
    const answer = await fetch(this.url, { headers: { range: `bytes=${start}-${end - 1}`, accept: "application/json" }, cache: "no-store" });
    if (answer.status === 429) { // who drags along the time line may ask faster than is given: it comes a little later
      await new Promise((done) => setTimeout(done, 1000 * Number(answer.headers.get("retry-after") ?? 1)));
      return this.answer(start, end, again);
    }
    if (!answer.ok) {
      const said = await answer.json();
      if (said.no !== "visit-ended" || again || !this.renew) throw new Error(said.text);
      this.renewing ??= this.renew().finally(() => { this.renewing = null; });
      await this.renewing;
      return this.answer(start, end, true);
    }
    if (answer.status !== 206) throw new Damaged("not the part that was asked for came");
    return answer;
  }

  async fetch(start, end) {
    const got = new Uint8Array(await (await this.answer(start, end)).arrayBuffer());
    if (got.length !== end - start) throw new Damaged("less came than was asked for");
    return got;
  }

  cipher(n) {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(7, n);
    nonce[11] = n === this.parts - 1 ? 1 : 0;
    return chacha20poly1305(this.key, nonce);
  }

  take(n, sealed) {
    let clear;
    try {
      clear = this.cipher(n).decrypt(sealed);
    } catch {
      throw new Damaged(`part ${n} is not as it was sealed`);
    }
    return clear;
  }

  keep(n, clear) {
    this.kept.delete(n); // the newest stands last
    this.kept.set(n, clear);
    for (const old of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      if (old < this.parts - LAST) this.kept.delete(old);
    }
  }

  // Asks for these clear bytes at once, for who will read them soon.
  soon(first, last) {
    this.keeping(Math.floor(first / CHUNK), Math.floor(last / CHUNK));
  }

  // Promises of clear parts, which are kept when they come. What fails unheard is heard when it is read.
  keeping(low, high) {
    const wanted = this.asked(low, high);
    wanted.forEach((clear, at) => clear.then((found) => this.keep(low + at, found), () => {}));
    return wanted;
  }

  // The same for who goes through the whole file beside the player: nothing is kept, all of them are told, and `digest`
  // takes them as they are sealed: sealed again, which gives the same bytes, for those of a kept part are gone.
  async pass(low, high, digest) {
    const found = await Promise.all(this.asked(low, high));
    found.forEach((clear, at) => {
      this.seen?.((low + at) * CHUNK, clear);
      digest.add(low + at, this.cipher(low + at).encrypt(clear));
    });
  }

  // A promise for each of these parts. One that is kept, or on its way, is not fetched again; the others come side by side.
  asked(low, high) {
    const wanted = [];
    for (let n = low; n <= high; n += 1) {
      if (this.kept.has(n)) wanted.push(Promise.resolve(this.kept.get(n)));
      else {
        if (!this.coming.has(n)) this.bring(n, this.gap(n, high));
        wanted.push(this.coming.get(n));
      }
    }
    return wanted;
  }

  // The last of the parts from `n` on that are all missing.
  gap(n, high) {
    let last = n;
    while (last < high && !this.kept.has(last + 1) && !this.coming.has(last + 1)) last += 1;
    return last;
  }

  // Asks for these parts at once, in one request. Each is there as soon as its bytes came.
  bring(first, last) {
    const told = [];
    for (let n = first; n <= last; n += 1) {
      const clear = new Promise((came, failed) => told.push({ came, failed }));
      this.coming.set(n, clear);
      clear.catch(() => {}).finally(() => this.coming.delete(n)); // who asked for it hears of it
    }
    this.receive(first, last, told).catch((error) => told.forEach(({ failed }) => failed(error)));
  }

  async receive(first, last, told) {
    const end = Math.min(this.bytes, NONCE + (last + 1) * PART);
    const { body } = await this.answer(NONCE + first * PART, end);
    const sealed = new Uint8Array(PART);
    let [n, filled] = [first, 0];
    for (const reader = body.getReader();;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let at = 0; at < value.length && n <= last;) {
        const size = Math.min(PART, this.bytes - NONCE - n * PART);
        const piece = value.subarray(at, at + size - filled);
        sealed.set(piece, filled);
        [at, filled] = [at + piece.length, filled + piece.length];
        if (filled < size) continue;
        const clear = this.take(n, sealed.subarray(0, size));
        this.seen?.(n * CHUNK, clear);
        told[n - first].came(clear);
        [n, filled] = [n + 1, 0];
      }
    }
    if (n <= last) throw new Damaged("less came than was asked for");
  }

  // Clear bytes from `first` on, at most to `last`: as many as are there, at least to the end of a part. What follows is
  // asked for already, up to `until`, some parts in each request.
  async read(first, last, until = last) {
    const low = Math.floor(first / CHUNK);
    const high = low - (low % AT_ONCE) + AT_ONCE - 1;
    const most = Math.floor(Math.min(until, this.size - 1) / CHUNK);
    const [loading] = this.keeping(low, Math.min(high, Math.max(low, most)));
    if (high < most) this.keeping(high + 1, Math.min(high + AT_ONCE, most));
    const found = [await loading];
    const end = Math.floor(last / CHUNK);
    for (let n = low + 1; n <= end && this.kept.has(n); n += 1) found.push(this.kept.get(n));
    const whole = new Uint8Array(Math.min(last + 1, (low + found.length) * CHUNK) - first);
    found.forEach((clear, at) => {
      const from = at ? 0 : first - low * CHUNK;
      const place = at ? (low + at) * CHUNK - first : 0;
      whole.set(clear.subarray(from, from + whole.length - place), place);
    });
    return whole;
  }
}
