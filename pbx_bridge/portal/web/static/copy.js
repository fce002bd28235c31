// A person's copy comes sealed to the key in this browser, which opens it nowhere else. Here its header alone is opened and
// written anew for a passphrase made in this page (age v1, scrypt): the payload stays as it came, never in clear.
import { Decrypter, scryptAsync, chacha20poly1305 } from "./age.js";
import { keyOf } from "./key.js";
import { complain, renewed } from "./site.js";

const { name, csrf } = document.body.dataset;
const list = document.getElementById("copies");
const encoder = new TextEncoder();
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LOG_N = 15; // 100 random bits need no slower guessing; a telephone makes it in a second
const HEAD = 64 * 1024;

const random = (count) => crypto.getRandomValues(new Uint8Array(count));
const base64 = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
const words = Array.from(random(20), (byte) => LETTERS[byte & 31]).join("").match(/.{4}/g).join("-");

// The length of an age header: up to and with the line of its MAC.
function headBytes(file) {
  const text = new TextDecoder("latin1").decode(file.subarray(0, HEAD));
  const mac = text.indexOf("\n--- ");
  const end = text.indexOf("\n", mac + 1);
  if (mac < 0 || end < 0) throw new Error(list.dataset.noScript);
  return end + 1;
}

async function header(fileKey, passphrase) {
  const salt = random(16);
  const label = encoder.encode("age-encryption.org/v1/scrypt");
  const wrap = await scryptAsync(encoder.encode(passphrase), new Uint8Array([...label, ...salt]), { N: 2 ** LOG_N, r: 8, p: 1, dkLen: 32 });
  const body = chacha20poly1305(wrap, new Uint8Array(12)).encrypt(fileKey);
  const text = `age-encryption.org/v1\n-> scrypt ${base64(salt)} ${LOG_N}\n${base64(body)}\n---`;
  const base = await crypto.subtle.importKey("raw", fileKey, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: encoder.encode("header") };
  const macKey = await crypto.subtle.importKey("raw", await crypto.subtle.deriveBits(how, base, 256), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", macKey, encoder.encode(text)));
  return encoder.encode(`${text} ${base64(mac)}\n`);
}

async function fetched(path) {
  await renewed();
  const headers = { accept: "application/json", "content-type": "application/x-www-form-urlencoded" };
  const answer = await fetch(path, { method: "POST", headers, body: new URLSearchParams({ csrf }), redirect: "error", cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.json()).text);
  const sealed = new Uint8Array(await answer.arrayBuffer());
  const key = await keyOf(name);
  if (!key) throw new Error(document.body.dataset.noKey);
  const size = headBytes(sealed);
  const decrypter = new Decrypter();
  decrypter.addIdentity(key);
  const fileKey = await decrypter.decryptHeader(sealed.subarray(0, size));
  return new Blob([await header(fileKey, words), sealed.subarray(size)], { type: "application/octet-stream" });
}

list.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-fetch]");
  if (!button) return;
  button.disabled = true;
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await fetched(button.dataset.fetch));
    link.download = button.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    document.getElementById("fetched").textContent = button.dataset.file;
  } catch (error) {
    complain(error.message);
  }
  button.disabled = false;
});

document.getElementById("words").textContent = words;
for (const button of list.querySelectorAll("button")) button.disabled = false;
