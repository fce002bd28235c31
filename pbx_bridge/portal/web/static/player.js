// The player: opens a recording with the viewer's key, in this page; what is decrypted exists only in its memory.
import { Decrypter } from "./age.js";
import { ask, keyOf, recordersOf, unhex } from "./key.js";
import { Marks } from "./marks.js";
import { Damaged, Sealed } from "./sealed.js";
import { Unvouched, checks, vouched } from "./signed.js";
import { complain, renewed } from "./site.js";

const JUMP = 3 << 19; // 1.5 MiB: a longer way to a picture is fetched as the player goes along it
const RENEWED_S = 480; // a visit that ends sooner is renewed, asked twice as often: nothing is given without one (P19)
const FIRST_S = 120;
const AT_MOST = 1 << 20; // of one answer: none stays open while the viewer pauses, so no worker is ended under it
const { name, csrf } = document.body.dataset;
const stage = document.getElementById("stage");
const video = document.getElementById("video");
const mark = document.getElementById("mark");
const form = document.getElementById("open");
const base = `/recordings/${stage.dataset.recording}`;
let sealed = null;
let grant = "";
let marks = null;
let broken = false;

function tell(broke) {
  if (grant) navigator.sendBeacon(`${base}/left`, new URLSearchParams({ csrf, grant, broke })); // outlives the page
}

// Gives back what plays, and what was fetched to be played.
function stop() {
  video.pause();
  video.removeAttribute("src");
  video.load();
}

function breakOff(error) {
  if (broken) return;
  broken = true;
  const broke = error instanceof Unvouched ? "unvouched" : error instanceof Damaged ? "damaged" : "";
  stop();
  complain(stage.dataset[broke] ?? `${stage.dataset.lost} ${error.message}`);
  tell(broke);
}

// Of what stands under the picture: only what is wrong with the file ends the playing.
const hurt = (error) => (error instanceof Damaged || error instanceof Unvouched ? breakOff(error) : complain(error.message));

// What a jump needs is asked for at once; more than that waits a moment for its picture.
const AT_MOST_MS = 150;
let needed = null;
video.addEventListener("seeking", () => {
  needed = marks?.needed(video.currentTime) ?? null;
  if (needed && needed.to - needed.from <= JUMP) sealed.soon(needed.from, needed.to - 1);
});
const shown = () => new Promise((done) => {
  video.addEventListener("seeked", done, { once: true });
  setTimeout(done, AT_MOST_MS);
});

// -- bytes for the worker -------------------------------------------------------------------------------------------

// P17: Firefox lays what it plays into a temporary file, in clear, when the first answer says that all of it has more than
// 8 MiB, and else keeps as much of it in its memory (measured). The true length comes with the second answer, and holds; the
// first is so short that no picture is there, and nobody jumps, before the second.
const IN_MEMORY = 8 << 20;
const SHORT = 4096;
let begun = !navigator.userAgent.includes("Gecko/");

function serve(event) {
  const [port] = event.ports;
  let at = event.data.first;
  const [most, size] = begun ? [AT_MOST, sealed?.size] : [SHORT, Math.min(sealed?.size, IN_MEMORY)];
  const last = Math.min(event.data.last ?? Infinity, at + most - 1, (size ?? 0) - 1);
  if (!sealed || broken || at > last) return port.postMessage({});
  port.onmessage = async ({ data }) => {
    if (data === "stop") return port.close();
    if (at > last) return port.postMessage({ end: true });
    try {
      const ahead = video.seeking && needed && at < needed.index;
      if (ahead && at >= needed.to) await shown();
      const bytes = await sealed.read(at, last, ahead ? Math.min(last, needed.to - 1) : last);
      at += bytes.length;
      port.postMessage({ bytes }, [bytes.buffer]);
    } catch (error) {
      breakOff(error);
      port.postMessage({});
    }
  };
  port.postMessage({ first: at, last, size });
  begun = true;
}

// Already while the page stands there: when it is needed it is awake.
const workerReady = (async () => {
  await navigator.serviceWorker?.register("/static/worker.js", { scope: "/recordings/" });
  if (!navigator.serviceWorker || navigator.serviceWorker.controller) return;
  await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
})();
workerReady.catch(() => {}); // heard when it is waited for

// -- opening --------------------------------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  navigator.serviceWorker.controller?.postMessage("awake");
  try {
    await renewed(FIRST_S);
    const key = await keyOf(name);
    if (!key) throw new Error(document.body.dataset.noKey);
    const session = form.elements.session?.value ?? "";
    const opened = await ask(`${base}/open`, { session }, csrf);
    grant = opened.grant;
    const { payload } = await vouched(opened, stage.dataset.recording, await recordersOf(name, stage.dataset.recorders.split(" ")));
    const decrypter = new Decrypter();
    decrypter.addIdentity(key);
    const fileKey = await decrypter.decryptHeader(unhex(opened.header));
    const [ready] = await Promise.all([
      new Sealed(`${base}/payload/${grant}`, fileKey, opened.payload_bytes).open(),
      workerReady,
    ]);
    sealed = ready;
    sealed.renew = () => renewed(Infinity);
    form.hidden = true;
    stage.hidden = false;
    video.src = `${base}/video?${grant}`; // each time another: Firefox goes on with what it holds of an address it knows
    setInterval(() => renewed(RENEWED_S).catch(breakOff), RENEWED_S * 500);
    marks = new Marks({ video, sealed, payload, key, base, csrf, session, broken: hurt });
    video.addEventListener("loadeddata", () => {
      marks.open().then(setVoices).catch(hurt);
      marks.readNotes().catch((error) => complain(error.message));
    }, { once: true });
    await video.play().catch(() => {}); // a browser that wants another click shows its own button
  } catch (error) {
    if (error instanceof Damaged || error instanceof Unvouched) breakOff(error);
    else complain(error.message);
    button.disabled = false;
  }
});

video.addEventListener("error", () => { if (!broken) breakOff(new Error(video.error?.message ?? "")); });
addEventListener("pagehide", () => {
  tell("");
  broken = true;
  stop(); // nobody waits for bytes of a page that is gone
  voices.context?.close();
});
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// -- controls -------------------------------------------------------------------------------------------------------

const voices = {};
function connectVoices() {
  if (voices.context) return;
  const context = new AudioContext();
  const split = context.createChannelSplitter(2);
  const merge = context.createChannelMerger(2);
  context.createMediaElementSource(video).connect(split);
  for (const [side, channel] of [["agent", 0], ["customer", 1]]) {
    const gain = context.createGain();
    split.connect(gain, channel).connect(merge, 0, channel);
    voices[side] = gain;
  }
  merge.connect(context.destination);
  voices.context = context;
  setVoices();
}
function setVoices() {
  for (const side of ["agent", "customer"]) {
    if (voices[side]) voices[side].gain.value = document.getElementById(side).checked ? 1 : 0;
  }
  marks?.mute(["agent", "customer"].map((side) => !document.getElementById(side).checked));
}
video.addEventListener("play", () => { connectVoices(); voices.context.resume(); });
for (const side of ["agent", "customer"]) document.getElementById(side).addEventListener("change", setVoices);

const speed = document.getElementById("speed");
function faster(by) {
  const next = speed.options[speed.selectedIndex + by];
  if (!next) return;
  next.selected = true;
  video.playbackRate = Number(speed.value);
}
speed.addEventListener("change", () => { video.playbackRate = Number(speed.value); }); // the pitch is kept by default

// What a browser offers on a picture: to copy, save or snap a frame of it.
const frame = document.getElementById("frame");
frame.addEventListener("contextmenu", (event) => event.preventDefault());
const full = () => (document.fullscreenElement ? document.exitFullscreen() : frame.requestFullscreen());
document.getElementById("full").addEventListener("click", full);
document.addEventListener("fullscreenchange", () => { // a browser's own button would leave the viewer's name behind
  if (document.fullscreenElement === video) document.exitFullscreen().then(() => frame.requestFullscreen()).catch(() => {});
});

const keys = {
  " ": () => (video.paused ? video.play() : video.pause()),
  k: () => (video.paused ? video.play() : video.pause()),
  ArrowLeft: () => { video.currentTime -= 5; },
  ArrowRight: () => { video.currentTime += 5; },
  j: () => { video.currentTime -= 10; },
  l: () => { video.currentTime += 10; },
  f: full,
  "<": () => faster(-1),
  ">": () => faster(1),
  n: () => marks?.toNote(),
  "1": () => document.getElementById("agent").click(),
  "2": () => document.getElementById("customer").click(),
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), select, button, a, textarea, video");
  if (stage.hidden || typing || event.ctrlKey || event.altKey || event.metaKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

// -- the viewer's name over the picture, never long in one place ----------------------------------------------------

let turn = 0;
// English pages write 2026-11-30 16:27: the form Swedish has by itself.
const locale = document.documentElement.lang.replace("en", "sv");
const two = "2-digit"; // left to itself, Chromium writes 0:03 in the small hours
const WHOLE = {
  year: "numeric", month: two, day: two, hour: two, minute: two, second: two, hourCycle: "h23", timeZoneName: "short",
};
function stamp() {
  mark.textContent = `${name} · ${new Date().toLocaleString(locale, WHOLE)}`;
  turn = (turn + 1 + Math.floor(Math.random() * 7)) % 9;
  mark.style.left = `${6 + (turn % 3) * 28}%`;
  mark.style.top = `${8 + Math.floor(turn / 3) * 32}%`;
}
stamp();
setInterval(stamp, 5000);
navigator.serviceWorker?.addEventListener("message", serve);
navigator.serviceWorker?.startMessages();
if (!navigator.serviceWorker || !globalThis.AudioContext || !(await checks())) complain(stage.dataset.unsupported);
else form.querySelector("fieldset").disabled = false;
