// Notes at moments of a recording: sealed here to the recording's own key, and read with the reader's. The server carries
// both and can open neither.
import { Decrypter, Encrypter } from "./age.js";
import { Refused, ask, hex, unhex } from "./key.js";

// As the keeper takes it: one kind of blank, no signs that cannot be seen.
export const plain = (text) => text.replace(/[^\S\n]/gu, " ").replace(/\r\n?/g, "\n").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, (sign) => (sign === "\n" ? sign : "")).trim();

export class Notes {
  constructor(base, key, csrf) {
    Object.assign(this, { base, key, csrf, all: [], mayWrite: false, recipient: "" });
  }

  async read() {
    const answer = await fetch(`${this.base}/notes`, { headers: { accept: "application/json" }, redirect: "error", cache: "no-store" });
    const said = await answer.json();
    if (!answer.ok) throw new Refused(said.no, said.text);
    const decrypter = new Decrypter();
    decrypter.addIdentity(this.key);
    this.all = JSON.parse(await decrypter.decrypt(unhex(said.sealed), "text")).notes;
    [this.recipient, this.mayWrite] = [said.recipient, said.may_write];
  }

  async write(seconds, text, session) {
    const encrypter = new Encrypter();
    encrypter.addRecipient(this.recipient);
    const sealed = await encrypter.encrypt(JSON.stringify({ at_ms: Math.floor(seconds * 1000), text: plain(text) }));
    await ask(`${this.base}/notes`, { session, sealed: hex(sealed) }, this.csrf);
    await this.read();
  }

  async erase(note) {
    await ask(`${this.base}/notes/${note}/erase`, {}, this.csrf);
    await this.read();
  }
}
