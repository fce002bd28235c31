// Whether the record of accesses is whole. It mirrors access/audit_chain.py, access/checkpoint.py and trainer/auditing.py:
// lines and notes in, a verdict out; tests/portal/web/test_audit_chain.py holds both against each other.
// It knows no page and asks nobody but `ask`.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const GENESIS = "0".repeat(64);
const NOTE = /(?:(\S+)\n([1-9][0-9]{0,15}|0)\n([A-Za-z0-9+/]{43}=)\n)\n((?:\u2014 \S+ [A-Za-z0-9+/]+=*\n)+)/y;

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const base64Of = (bytes) => btoa(String.fromCharCode(...bytes));
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
// Of base64 in its one canonical form: a letter whose unused bits were changed is a change.
const exactlyOf = (base64) => {
  const bytes = bytesOf(base64);
  if (base64Of(bytes) !== base64) throw new TypeError("base64");
  return bytes;
};
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// The first entry that is not as it was written: its number, and a word that says what is wrong with it.
export class Broken extends Error {
  constructor(number, word) { super(`${number}: ${word}`); this.number = number; this.word = word; }
}
// What was pasted, or sent, is no checkpoint of this kind.
export class NoNote extends Error {}

// The log's key from its line: who the log says it is, and what its signatures are checked with.
export async function readKey(line) {
  const [name, id, encoded] = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(line.trim())?.slice(1) ?? [];
  let raw;
  try { raw = exactlyOf(encoded ?? "!"); } catch { throw new NoNote("no key"); }
  if (raw.length !== 33 || raw[0] !== 1) throw new NoNote("no key");
  const origin = `pbx-bridge/audit/${hex(await sha256(raw.slice(1))).slice(0, 32)}`;
  const named = await sha256(new Uint8Array([...encoder.encode(`${origin}\n`), ...raw]));
  if (name !== origin || id !== hex(named.slice(0, 4))) throw new NoNote("no key");
  return { origin, key: await crypto.subtle.importKey("raw", raw.slice(1), { name: "Ed25519" }, false, ["verify"]) };
}

// Every checkpoint in a text, blank lines between them ignored.
export function readNotes(text) {
  const found = [];
  const written = `${text.replaceAll("\r\n", "\n").replace(/\n+$/, "")}\n`;
  for (let at = 0; ;) {
    while (written[at] === "\n") at += 1;
    if (at >= written.length) return found;
    NOTE.lastIndex = at;
    const match = NOTE.exec(written);
    if (!match) throw new NoNote("no checkpoint");
    const [whole, origin, number, digest, signatures] = match;
    const mine = signatures.split("\n").find((line) => line.split(" ")[1] === origin); // others are cosignatures
    if (!mine) throw new NoNote("no checkpoint");
    try {
      found.push({ origin, number: Number(number), digest: hex(exactlyOf(digest)), signature: exactlyOf(mine.split(" ")[2]).slice(4) });
    } catch {
      throw new NoNote("no checkpoint");
    }
    at += whole.length;
  }
}

const isTrue = (log, number, digest, signature) => crypto.subtle.verify(
  { name: "Ed25519" }, log.key, signature, encoder.encode(`${log.origin}\n${number}\n${base64Of(unhex(digest))}\n`),
).catch(() => false);

const isTrueNote = async (log, note) => note.origin === log.origin && isTrue(log, note.number, note.digest, note.signature);

// What an entry's signature is over, and that signature.
async function signedBy(entry) {
  const body = entry.text.replace(`"sig":"${entry.record.sig}",`, "");
  let signature;
  try { signature = exactlyOf(entry.record.sig); } catch { signature = new Uint8Array(); }
  return { digest: hex(await sha256(encoder.encode(body))), signature };
}

async function isSigned(log, entry) {
  const { digest, signature } = await signedBy(entry);
  return isTrue(log, entry.record.n, digest, signature);
}

// Follows the chain; `entry` is the last one that followed.
class Walk {
  constructor(log) { this.log = log; this.number = 0; this.link = GENESIS; this.first = 0; this.entry = null; }

  // A part of the log: whole lines. The break shows at the next entry; which of the two was touched, the signature tells.
  async take(bytes) {
    const lines = [];
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(10, at);
      if (end < 0) { lines.push(null); break; }
      lines.push(bytes.subarray(at, end));
      at = end + 1;
    }
    const links = await Promise.all(lines.map((line) => (line ? sha256(line) : null)));
    const taken = [];
    for (const [place, line] of lines.entries()) {
      if (!line) throw await this.broken("cut");
      const entry = readEntry(line);
      if (!entry) throw await this.broken("no-entry");
      if (!this.first) this.begin(entry.record);
      if (entry.record.n !== this.number + 1) throw await this.broken("number");
      if (entry.record.prev !== this.link) throw await this.broken("follows");
      this.number += 1;
      this.link = hex(links[place]);
      this.entry = entry;
      taken.push(entry);
    }
    if (taken.length && !(await isSigned(this.log, this.entry))) throw await this.replaced(taken);
    return taken;
  }

  begin(record) {
    this.first = record.n;
    if (!Number.isSafeInteger(record.n) || record.n < 1) throw new Broken(1, "no-entry");
    this.number = record.n - 1;
    this.link = record.n > 1 ? record.prev : GENESIS; // earlier ones were let go after twelve months
  }

  async broken(word) {
    if (this.entry && !(await isSigned(this.log, this.entry))) return new Broken(this.number, "changed");
    return new Broken(this.number + 1, word);
  }

  // The chain holds, its last signature does not: the first without one was written by somebody else.
  async replaced(taken) {
    let [low, high] = [0, taken.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (await isSigned(this.log, taken[middle])) low = middle + 1;
      else high = middle;
    }
    return new Broken(taken[low].record.n, "replaced");
  }
}

function readEntry(line) {
  try {
    const text = decoder.decode(line);
    const record = JSON.parse(text);
    const canonical = JSON.stringify(record, Object.keys(record).sort());
    return canonical === text && typeof record.sig === "string" ? { text, record } : null;
  } catch {
    return null;
  }
}

// The whole log as `ask(after)` gives it (`lines`, `checkpoint`, `key`), against `notes`: checkpoints of a second place, in
// which `seen` says which is this browser's own. Throws Broken, or NoNote.
export async function verify(ask, notes, progress = () => {}) {
  let page = await ask(0);
  let log, newest;
  try {
    log = await readKey(page.key);
    [newest] = readNotes(page.checkpoint);
  } catch {
    throw new Broken(1, "checkpoint");
  }
  if (!newest || !(await isTrueNote(log, newest))) throw new Broken(newest?.number ?? 1, "checkpoint");
  const kept = await comparable(log, notes);
  const walk = new Walk(log);
  let compared = 0;
  let agreed = 0;
  while (walk.number < newest.number) {
    const lines = bytesOf(page.lines);
    if (!lines.length) throw new Broken(walk.number + 1, "missing");
    for (const entry of await walk.take(lines)) {
      const { n } = entry.record;
      if (!kept.has(n) && n !== newest.number) continue;
      const { digest } = await signedBy(entry);
      if (kept.has(n)) {
        if (kept.get(n) !== digest) throw new Broken(agreed ? agreed + 1 : walk.first, "rolled-back");
        agreed = n;
        compared += 1;
      }
      if (n === newest.number && digest !== newest.digest) throw new Broken(n, "not-newest");
    }
    progress(Math.min(walk.number, newest.number), newest.number);
    if (walk.number < newest.number) page = await ask(walk.number);
  }
  const last = Math.max(0, ...kept.keys());
  if (last > walk.number) throw new Broken(walk.number + 1, "second-knows");
  return { first: walk.first, last: newest.number, compared, newest, note: page.checkpoint };
}

async function comparable(log, notes) {
  const kept = new Map();
  for (const note of notes) {
    if (note.origin !== log.origin) throw new Broken(1, "other-key");
    if (!(await isTrueNote(log, note))) throw new NoNote("not signed");
    if (!note.number) continue;
    if ((kept.get(note.number) ?? note.digest) !== note.digest) throw new Broken(note.number, "two-of-them");
    kept.set(note.number, note.digest);
  }
  return kept;
}
