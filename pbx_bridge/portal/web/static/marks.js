// Under the video: the time line with both voices, the list of pauses and notes, and the form for a new note.
import { Digest } from "./digest.js";
import { Notes, plain } from "./notes.js";
import { Unvouched } from "./signed.js";
import { renewed } from "./site.js";
import { TimeLine, clock } from "./timeline.js";
import { Waves } from "./waves.js";
import { cues, head, marks, needed } from "./webm.js";

const PAUSES = ["hold", "pause"];
const EVERY = 4; // parts of one request when the whole is read
const UNDRAWN = 48; // parts that wait to be drawn while a jump goes on

const made = (kind, text, more = {}) => Object.assign(document.createElement(kind), { textContent: text, ...more });
const idle = () => new Promise((done) => (globalThis.requestIdleCallback ? requestIdleCallback(done, { timeout: 500 }) : setTimeout(done, 50)));

export class Marks {
  // `sealed` is open, and `payload` the digest its recorder signed; `session` is what the viewer said it serves; `broken`
  // takes what goes wrong with the file.
  constructor({ video, sealed, payload, key, base, csrf, session, broken }) {
    Object.assign(this, { video, sealed, payload, session, broken, checked: false, cues: [], list: document.getElementById("marks") });
    this.words = this.list.dataset;
    this.notes = new Notes(base, key, csrf);
    this.form = document.getElementById("note");
    this.drawAll = document.getElementById("draw");
  }

  async open() {
    const first = await this.sealed.read(0, 65535);
    this.head = head(first);
    if (this.head.cuesAt !== null) this.cues = cues(await this.all(this.head.cuesAt), this.head.body);
    this.line = new TimeLine(document.getElementById("line"), this.head.seconds, (second) => { this.video.currentTime = second; });
    if (this.head.marksAt !== null) this.line.pauses = marks(await this.all(this.head.marksAt)).filter(({ title }) => PAUSES.includes(title));
    this.video.addEventListener("timeupdate", () => this.line.move(this.video.currentTime));
    this.video.addEventListener("seeking", () => this.line.move(this.video.currentTime));
    this.list.addEventListener("click", (event) => this.clicked(event.target.closest("button")));
    this.form.addEventListener("submit", (event) => this.write(event));
    this.drawAll.addEventListener("click", () => this.whole());
    this.show();
    await this.openWaves(first);
  }

  // What a jump to this moment needs; null when that is not known.
  needed(seconds) {
    return this.cues.length ? needed(this.cues, seconds, this.sealed.size, this.head.cuesAt) : null;
  }

  async all(at) {
    const got = new Uint8Array(this.sealed.size - at); // no Blob: a browser may lay one on the disk
    for (let next = 0; next < got.length;) {
      const bytes = await this.sealed.read(at + next, this.sealed.size - 1);
      got.set(bytes, next);
      next += bytes.length;
    }
    return got;
  }

  mute(muted) {
    if (!this.line) return;
    this.line.muted = muted;
    this.line.draw();
  }

  toNote() {
    if (!this.form.hidden) this.form.elements.text.focus();
  }

  // -- notes --------------------------------------------------------------------------------------------------------

  async readNotes() {
    await this.notes.read();
    this.form.hidden = !this.notes.mayWrite;
    if (this.line) this.show();
  }

  async write(event) {
    event.preventDefault();
    const [text, button] = [this.form.elements.text, this.form.querySelector("button")];
    if (!plain(text.value)) return;
    button.disabled = true;
    await this.telling(async () => {
      await this.notes.write(Math.min(this.video.currentTime, this.head.seconds), text.value, this.session);
      text.value = "";
    });
    button.disabled = false;
  }

  async telling(work) {
    const fault = document.getElementById("note-fault");
    fault.hidden = true;
    try {
      await renewed();
      await work();
      this.show();
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
  }

  clicked(button) {
    if (button?.dataset.at) this.video.currentTime = Number(button.dataset.at);
    else if (button && button.dataset.sure) this.telling(() => this.notes.erase(button.dataset.note));
    else if (button) {
      button.dataset.sure = "yes";
      button.textContent = this.words.sure;
    }
  }

  // Pauses and notes in one list, in the order of time.
  show() {
    this.line.notes = this.notes.all.map((note) => ({ ...note, at: note.at_ms / 1000 }));
    const pauses = this.line.pauses.map((one) => ({ at: one.begin, line: [made("span", this.words[one.title].replace("{0}", clock(one.end - one.begin)))] }));
    const notes = this.line.notes.map((note) => ({
      at: note.at,
      line: [
        made("strong", note.author), made("span", note.text, { className: "said" }),
        made("button", this.words.erase, { type: "button", className: "plain", ariaLabel: this.words.eraseOne.replace("{0}", clock(note.at)) }),
      ],
      id: note.id,
    }));
    const lines = [...pauses, ...notes].sort((one, other) => one.at - other.at).map(({ at, line, id }) => {
      const place = made("button", clock(at), { type: "button", className: "plain num", ariaLabel: this.words.go.replace("{0}", clock(at)) });
      place.dataset.at = at;
      if (id) line.at(-1).dataset.note = id;
      const item = document.createElement("li");
      item.append(place, ...line);
      return item;
    });
    this.list.replaceChildren(...lines);
    document.getElementById("no-marks").hidden = lines.length > 0;
    this.line.draw();
  }

  // -- voices -------------------------------------------------------------------------------------------------------

  async openWaves(first) {
    const waves = new Waves(this.head, () => this.told());
    if (!(await waves.open())) {
      document.getElementById("drawn").textContent = this.words.cannot;
      return;
    }
    this.line.waves = this.waves = waves;
    this.drawAll.hidden = false;
    waves.take(0, first);
    const waiting = [];
    const draw = () => {
      try {
        while (waiting.length) waves.take(...waiting.shift());
      } catch { // a picture of the voices never stops the player
        waves.close();
      }
    };
    this.sealed.seen = (at, bytes) => { // while a jump goes on the processor is the picture's
      waiting.push([at, bytes]);
      if (!this.video.seeking) draw();
      else if (waiting.length > UNDRAWN) waiting.shift();
    };
    this.video.addEventListener("seeked", () => idle().then(draw));
    this.told();
  }

  told() {
    const drawn = this.words.drawn.replace("{0}", String(Math.round(this.waves.part * 100)));
    const text = this.checked ? `${drawn}. ${this.words.checked}` : drawn;
    const shown = document.getElementById("drawn");
    if (shown.textContent !== text) {
      shown.textContent = text;
      this.line.canvas.setAttribute("aria-label", text);
    }
    this.line.draw();
  }

  // Reads the whole recording, a little at a time and only while asked to: what is read counts as watched. At its end it is
  // known whether the whole is what its recorder signed, which single parts cannot say.
  async whole() {
    if (this.reading) {
      this.reading = false;
      return;
    }
    this.reading = true;
    this.drawAll.textContent = this.drawAll.dataset.stop;
    const digest = new Digest(this.sealed.nonce);
    try {
      for (let part = 0; this.reading && part < this.sealed.parts; part += EVERY) {
        await this.sealed.pass(part, Math.min(part + EVERY, this.sealed.parts) - 1, digest);
        await this.waves.room();
        await idle();
        this.told();
      }
      if (digest.next === this.sealed.parts) {
        if (digest.end() !== this.payload) throw new Unvouched("another file than its recorder signed");
        this.checked = true;
        this.told();
      }
    } catch (error) {
      this.broken(error);
    }
    const done = this.reading;
    this.reading = false;
    this.drawAll.textContent = this.drawAll.dataset.start;
    this.drawAll.hidden = done;
  }
}
