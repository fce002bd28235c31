// A person's key: made in this browser, kept in it, unreadable even to this page; and the proofs made with it.
// It mirrors access/proof.py and wire_portal.py: a proof is answered only when the challenge names what was asked.
// What a program can check and a page cannot is the certificate: the browser itself has checked that.
import { Decrypter, identityToRecipient } from "./age.js";

const VERSION = 2;
const CONTEXT = "pbx-bridge person's proof v1\n";
const encoder = new TextEncoder();

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const canonical = (value) => JSON.stringify(value, Object.keys(value).sort());
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

export class Refused extends Error {
  constructor(word, text) { super(text); this.word = word; }
}

// -- the key, in IndexedDB under its holder's name ------------------------------------------------------------------

const opened = () => new Promise((done, failed) => {
  const request = indexedDB.open("pbx-bridge", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("keys");
  request.onsuccess = () => done(request.result);
  request.onerror = () => failed(request.error);
});

async function inKeys(mode, work) {
  const base = await opened();
  try {
    return await new Promise((done, failed) => {
      const change = base.transaction("keys", mode);
      const request = work(change.objectStore("keys"));
      change.oncomplete = () => done(request.result);
      change.onabort = change.onerror = () => failed(change.error);
    });
  } finally {
    base.close();
  }
}

export const keyOf = (name) => inKeys("readonly", (keys) => keys.get(name));

export async function newKey() {
  const pair = await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
  return pair.privateKey;
}

export async function keep(name, key) {
  await inKeys("readwrite", (keys) => keys.put(key, name));
  await inKeys("readwrite", (keys) => keys.delete(`recorders of ${name}`));
  navigator.storage?.persist?.(); // a browser short of room must not throw the key away; Firefox asks its user, so nobody waits
}

// The recorders this browser trusts: those it was told of first since the person joined. Others need a new invitation.
export async function recordersOf(name, told) {
  const known = await inKeys("readonly", (keys) => keys.get(`recorders of ${name}`));
  if (known) return known;
  await inKeys("readwrite", (keys) => keys.put(told, `recorders of ${name}`));
  return told;
}

export async function works() {
  try {
    return Boolean(globalThis.isSecureContext && globalThis.indexedDB && (await newKey()));
  } catch {
    return false;
  }
}

export const fingerprint = async (key) => printOf(await identityToRecipient(key));

// Of a public key: what its holder reads out, and an approver types.
export async function printOf(recipient) {
  const digest = await sha256(encoder.encode("pbx-bridge key 1\0" + recipient));
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let text = "";
  for (let at = 0; at < 100; at += 5) { // 100 bits, five at a time
    const two = (digest[at >> 3] << 8) | digest[(at >> 3) + 1];
    text += letters[(two >> (11 - (at & 7))) & 31];
  }
  return text.match(/.{4}/g).join("-");
}

// -- talking with the portal ----------------------------------------------------------------------------------------

export async function ask(path, body, csrf) {
  const headers = { accept: "application/json", "content-type": "application/json" };
  if (csrf) headers["x-csrf"] = csrf;
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), redirect: "error", cache: "no-store" });
  const said = await answer.json();
  if (!answer.ok) throw new Refused(said.no, said.text);
  return said;
}

async function actDigest(act) {
  return hex(await sha256(encoder.encode("pbx-bridge act 1\0" + canonical(act))));
}

// The answer to a fresh challenge for exactly this purpose. `code`: an invitation's, to join. `act`: a deed.
export async function answered(key, beginPath, { code = null, act = null, csrf = "" } = {}) {
  const recipient = await identityToRecipient(key);
  const nonce = hex(crypto.getRandomValues(new Uint8Array(32)));
  const begun = await ask(beginPath, { recipient, client_nonce: nonce, code, act }, csrf);
  const decrypter = new Decrypter();
  decrypter.addIdentity(key);
  const challenge = JSON.parse(await decrypter.decrypt(unhex(begun.sealed), "text"));
  const asked = challenge.transcript;
  const wanted = {
    version: VERSION, purpose: code ? "join" : act ? "act" : "session",
    client_nonce: nonce, recipient, act: act ? await actDigest(act) : "",
  };
  for (const [name, value] of Object.entries(wanted)) {
    if (asked[name] !== value) throw new Error(`the challenge answers another request (${name})`);
  }
  const secret = await crypto.subtle.importKey("raw", unhex(challenge.secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const answer = await crypto.subtle.sign("HMAC", secret, encoder.encode(CONTEXT + canonical(asked)));
  return { challenge: begun.challenge, answer: hex(new Uint8Array(answer)) };
}

// Proves the key, or does the deed; the session has a visit afterwards.
export async function prove(key, csrf, act = null) {
  return ask("/key/prove", await answered(key, "/key/begin", { act, csrf }), csrf);
}
