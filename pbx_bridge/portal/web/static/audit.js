// The page that verifies the record of accesses: asks for it part by part, shows how far it is, and keeps what it saw.
import { ask } from "./key.js";
import { complain, renewed } from "./site.js";
import { Broken, NoNote, readNotes, verify } from "./audit_chain.js";

const form = document.getElementById("verify");
const outcome = document.getElementById("outcome");
const said = form.dataset;
const name = document.body.dataset.name;
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);

// What this browser saw of the record before: the newest checkpoint, beside the keys and not among them.
const base = new Promise((done, failed) => {
  const request = indexedDB.open("pbx-bridge-audit", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("seen");
  request.onsuccess = () => done(request.result);
  request.onerror = () => failed(request.error);
});
const inSeen = async (mode, work) => {
  const request = work((await base).transaction("seen", mode).objectStore("seen"));
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
};
const before = await inSeen("readonly", (seen) => seen.get(name)).catch(() => undefined);

function tell(kind, lines) {
  const box = document.createElement("div");
  box.className = kind;
  for (const line of lines) {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    box.append(paragraph);
  }
  outcome.replaceChildren(box);
}

async function part(after) {
  await renewed();
  return ask("/audit/part", { after }, document.body.dataset.csrf);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = form.querySelector("fieldset");
  const bar = document.getElementById("progress");
  const soFar = document.getElementById("so-far");
  let pasted;
  try {
    pasted = readNotes(document.getElementById("against").value);
  } catch {
    return complain(said.noNotes);
  }
  const notes = before ? [...pasted, ...readNotes(before)] : pasted;
  fields.disabled = true;
  outcome.replaceChildren();
  document.getElementById("alarm").hidden = true;
  const running = document.getElementById("running");
  running.hidden = false;
  try {
    const found = await verify(part, notes, (done, all) => {
      bar.max = all;
      bar.value = done;
      soFar.textContent = filled(said.soFar, { done, all });
    });
    const { first, last, compared } = found;
    tell("note", [
      filled(said.whole, { count: last - first + 1, first, last }),
      compared ? filled(said.agree, { count: compared }) : said.alone,
    ]);
    await inSeen("readwrite", (seen) => seen.put(found.note, name)).catch(() => {});
  } catch (error) {
    if (error instanceof Broken) tell("alarm", [`${filled(said.at, { number: error.number })}: ${said[camel(error.word)]}`]);
    else complain(error instanceof NoNote ? said.noNotes : error.message);
  } finally {
    running.hidden = true;
    fields.disabled = false;
  }
});

const camel = (word) => word.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

const checks = await crypto.subtle?.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]).then(() => true, () => false);
if (!checks) {
  complain(said.unsupported);
} else {
  form.querySelector("fieldset").disabled = false;
  if (before) {
    const known = document.getElementById("known");
    known.textContent = filled(said.known, { number: readNotes(before)[0].number });
    known.hidden = false;
  }
}
