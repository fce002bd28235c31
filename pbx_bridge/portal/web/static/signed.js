// The recorder's word about a recording, checked before anything of it plays (archive/manifest.py). It vouches for the whole
// payload's digest, which a reader of ranges cannot take (marks.js does once it went through all of it); that each part is of
// this very file its own seal says, whose key the keeper gave for this manifest.
import { unhex } from "./key.js";

const CONTEXT = "pbx-bridge manifest v1\n";
const FINISHED = ["sealed", "recovered"];

export class Unvouched extends Error {}

// Raises Unvouched: of another recorder, changed, or of another file than was opened.
export async function vouched(opened, recording, recorders) {
  const { text, recorder, signature } = opened.signed;
  if (!recorders.includes(recorder)) throw new Unvouched("signed by no recorder this browser knows");
  const key = await crypto.subtle.importKey("raw", unhex(recorder), { name: "Ed25519" }, false, ["verify"]);
  const said = new TextEncoder().encode(CONTEXT + text);
  if (!(await crypto.subtle.verify("Ed25519", key, unhex(signature), said))) throw new Unvouched("not as its recorder signed it");
  const manifest = JSON.parse(text);
  if (manifest.recording !== recording || manifest.payload_bytes !== opened.payload_bytes || !FINISHED.includes(manifest.state)) {
    throw new Unvouched("signed for another file");
  }
  return manifest;
}

// Whether this browser can check it; one that keeps an X25519 key but cannot plays nothing.
export async function checks() {
  try {
    await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}
