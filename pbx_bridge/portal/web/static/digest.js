// The digest of a whole sealed payload, which its recorder signed (archive/manifest.py, docs/formats.md):
// SHA-256(nonce, part 0, SHA-256(part 1, part 2, ...)). It takes the sealed parts in order and keeps none.
import { sha256 } from "./age.js";

export class Digest {
  constructor(nonce) {
    this.outer = sha256.create().update(nonce);
    this.rest = sha256.create();
    this.next = 0;
  }

  add(n, sealed) {
    if (n !== this.next) throw new Error("parts are taken in order");
    this.next += 1;
    (n === 0 ? this.outer : this.rest).update(sealed);
  }

  // In hex; asked once, when all parts were taken.
  end() {
    const all = this.outer.update(this.rest.digest()).digest();
    return Array.from(all, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}
