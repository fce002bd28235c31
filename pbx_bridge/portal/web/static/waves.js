// How loud both voices are, moment by moment, worked out of what was fetched to be played: nothing is fetched for it unless
// the viewer asks for the whole. Memory is bounded: a byte for each voice and tenth of a second, and one cluster at a time.
import { CLUSTER, element, packets } from "./webm.js";

export const BINS_A_SECOND = 10;
const PACKET_MS = 20;
const RUNS = 4; // places of the file that are read at the same time
const MOST_BYTES = 8 << 20; // of one cluster: half a second; more is no file of ours
const WAITING = 100; // packets with the decoder, two seconds

// A stretch of the file as it comes, part after part.
class Run {
  constructor(at) {
    this.end = at; // where the next part has to begin
    this.bytes = new Uint8Array(0);
    this.inStep = false; // `bytes` begin with an element
  }

  add(bytes) {
    const joined = new Uint8Array(this.bytes.length + bytes.length);
    joined.set(this.bytes);
    joined.set(bytes, this.bytes.length);
    this.bytes = joined;
    this.end += bytes.length;
  }

  // The whole clusters that are there; false in the end when there is nothing more to expect.
  *clusters() {
    for (;;) {
      if (!this.inStep && !this.step()) return;
      const found = element(this.bytes, 0);
      if (!found) return;
      if (found.id !== CLUSTER || found.end > MOST_BYTES) {
        this.inStep = false;
        this.bytes = this.bytes.slice(1);
        continue;
      }
      if (found.end > this.bytes.length) return;
      yield { bytes: this.bytes, cluster: found };
      this.bytes = this.bytes.slice(found.end);
    }
  }

  // On to the next place that reads as a cluster: its name, a length, then its time.
  step() {
    const { bytes } = this;
    for (let at = 0; at + 4 < bytes.length; at += 1) {
      if (bytes[at] !== 0x1f || bytes[at + 1] !== 0x43 || bytes[at + 2] !== 0xb6 || bytes[at + 3] !== 0x75) continue;
      const found = element(bytes, at);
      if (found && (found.body >= bytes.length || bytes[found.body] === 0xe7)) {
        this.bytes = bytes.slice(at);
        this.inStep = true;
        return true;
      }
    }
    this.bytes = bytes.slice(Math.max(0, bytes.length - 12));
    return false;
  }
}

export class Waves {
  // `head`: of webm.js. `drawn` is called when more is known.
  constructor(head, drawn) {
    const bins = Math.max(1, Math.ceil(head.seconds * BINS_A_SECOND));
    this.peaks = [new Uint8Array(bins), new Uint8Array(bins)]; // agent, customer
    this.known = new Uint8Array(bins);
    this.had = new Uint8Array(Math.ceil((head.seconds * 1000) / PACKET_MS) + 2);
    this.head = head;
    this.drawn = drawn;
    this.runs = [];
    this.queue = [];
    this.decoder = null;
  }

  // Whether this browser can; without, the player does all else.
  async open() {
    const how = { codec: "opus", sampleRate: 48000, numberOfChannels: 2, description: this.head.opusHead };
    try {
      if (!this.head.opusHead || !(await AudioDecoder.isConfigSupported(how)).supported) return false;
      this.decoder = new AudioDecoder({ output: (sound) => this.heard(sound), error: () => this.close() });
      this.decoder.configure(how);
      this.decoder.addEventListener("dequeue", () => this.feed());
    } catch {
      this.decoder = null;
    }
    return this.decoder !== null;
  }

  close() {
    if (this.decoder?.state !== "closed") this.decoder?.close();
    this.decoder = null;
    this.queue = [];
  }

  // Clear bytes of the file, from `at` on.
  take(at, bytes) {
    if (!this.decoder) return;
    let run = this.runs.find((one) => one.end === at);
    if (run) this.runs.splice(this.runs.indexOf(run), 1);
    else run = new Run(at);
    this.runs.push(run); // the newest last
    if (this.runs.length > RUNS) this.runs.shift();
    run.add(bytes);
    for (const { bytes: of, cluster } of run.clusters()) {
      for (const packet of packets(of, cluster, this.head.sound)) this.want(packet);
    }
    this.feed();
  }

  want(packet) {
    const slot = Math.floor(packet.ms / PACKET_MS);
    if (slot < 0 || slot >= this.had.length || this.had[slot]) return;
    this.had[slot] = 1;
    this.queue.push(packet);
  }

  feed() {
    while (this.decoder && this.queue.length && this.decoder.decodeQueueSize < WAITING) {
      const { ms, data } = this.queue.shift();
      this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: ms * 1000, data }));
    }
  }

  // Resolves when little waits: who reads on by themselves waits here.
  async room() {
    while (this.decoder && this.queue.length > WAITING) await new Promise((done) => setTimeout(done, 20));
  }

  heard(sound) {
    const bin = Math.min(this.known.length - 1, Math.max(0, Math.floor((sound.timestamp / 1e6) * BINS_A_SECOND)));
    const samples = new Float32Array(sound.numberOfFrames);
    for (let side = 0; side < Math.min(2, sound.numberOfChannels); side += 1) {
      sound.copyTo(samples, { planeIndex: side, format: "f32-planar" });
      let peak = 0;
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
      this.peaks[side][bin] = Math.max(this.peaks[side][bin], Math.min(255, Math.round(peak * 255)));
    }
    sound.close();
    this.known[bin] = 1;
    this.drawn();
  }

  get part() { // of the whole that is known, 0 to 1
    let count = 0;
    for (const one of this.known) count += one;
    return count / this.known.length;
  }
}
