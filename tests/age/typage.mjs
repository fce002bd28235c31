// The browser's age (npm: age-encryption) on a command line, for the interoperability tests. Texts come and go on
// standard input and output; "vectors" writes the public testkit (npm: cctv-age) into a folder.
//   node typage.mjs seal age1... | seal-passphrase TEXT | open AGE-SECRET-KEY-1... | open-passphrase TEXT | vectors DIR
import { webcrypto } from "node:crypto";
import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

globalThis.crypto ??= webcrypto; // Debian 12's nodejs 18 has it under this name only
const age = await import("age-encryption");
const [what, argument] = process.argv.slice(2);
const input = () => new Uint8Array(readFileSync(0));
const output = (bytes) => { for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at); };

if (what === "seal" || what === "seal-passphrase") {
  const encrypter = new age.Encrypter();
  if (what === "seal") encrypter.addRecipient(argument);
  else { encrypter.setPassphrase(argument); encrypter.setScryptWorkFactor(10); }
  output(await encrypter.encrypt(input()));
} else if (what === "open" || what === "open-passphrase") {
  const decrypter = new age.Decrypter();
  if (what === "open") decrypter.addIdentity(argument);
  else decrypter.addPassphrase(argument);
  output(await decrypter.decrypt(input(), "uint8array"));
} else if (what === "vectors") {
  const vectors = await import("cctv-age");
  for (const [name, bytes] of Object.entries(vectors)) writeFileSync(join(argument, name), bytes);
} else {
  throw new Error(`unknown: ${what}`);
}
