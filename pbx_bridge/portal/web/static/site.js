// On every page: locks when nobody is there, proves deeds, and keeps the visit alive while somebody is.
const body = document.body;
const name = body.dataset.name;
const csrf = body.dataset.csrf;
const alarm = document.getElementById("alarm");

export function complain(text) {
  alarm.textContent = text;
  alarm.hidden = false;
  alarm.focus();
}

export async function withKey(work) {
  const keys = await import("./key.js");
  const key = await keys.keyOf(name);
  if (!key) throw new Error(body.dataset.noKey);
  return work(keys, key);
}

// `leftS`: a visit that lasts longer is left as it is.
export async function renewed(leftS = 60) {
  if (Number(body.dataset.visitEnds) - leftS > Date.now() / 1000) return;
  const said = await withKey((keys, key) => keys.prove(key, csrf));
  body.dataset.visitEnds = said.visit_ends;
}

// The deed a form is for. Its text is what stands on the page where `data-text-of` says; of keys that wait, the one whose
// fingerprint was typed: a fingerprint is never shown to who compares it.
async function deedOf(form, keys) {
  const { deed, about, aboutOf, text, textOf, keys: waiting, mismatch } = form.dataset;
  const act = {
    do: deed,
    about: aboutOf ? document.getElementById(aboutOf).value : about,
    text: textOf ? document.getElementById(textOf).textContent : text,
  };
  if (waiting) {
    const typed = form.elements.fingerprint.value.replace(/[\s-]/g, "").toUpperCase();
    const found = [];
    for (const recipient of waiting.split(" ")) {
      if ((await keys.printOf(recipient)).replaceAll("-", "") === typed) found.push(recipient);
    }
    if (!found.length) throw new Error(mismatch);
    act.text ??= found[0];
  }
  return act;
}

// A deed about a text can be done once the end of that text has been on the screen.
for (const form of document.querySelectorAll("form[data-seen]")) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    form.querySelector("fieldset").disabled = false;
    document.querySelector("[data-until-seen]").hidden = true;
  });
  watcher.observe(document.getElementById(form.dataset.seen));
}

if (name) {
  // When somebody was last there, in any tab: who works in one is not away from the others.
  const idle = Number(body.dataset.idle) * 1000;
  let told = 0;
  const present = () => {
    if (Date.now() - told < 5000) return;
    told = Date.now();
    localStorage.setItem("present", told);
  };
  const lock = () => {
    if (Date.now() - Number(localStorage.getItem("present")) > idle) document.getElementById("sign-out").submit();
  };
  present();
  for (const what of ["pointerdown", "pointermove", "keydown", "timeupdate"]) {
    document.addEventListener(what, present, { capture: true, passive: true });
  }
  setInterval(lock, 5000);
  document.addEventListener("visibilitychange", lock); // a tab that slept had no clock

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.method !== "post" || form.id === "sign-out" || form.dataset.own) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      if (form.dataset.deed) {
        await withKey(async (keys, key) => keys.prove(key, csrf, await deedOf(form, keys)));
        location.assign(form.dataset.then);
      } else {
        if (body.dataset.visitEnds) await renewed();
        form.submit();
        button.disabled = !form.dataset.stays;
      }
    } catch (error) {
      complain(error.message);
      button.disabled = false;
    }
  });

  const shown = document.querySelector("[data-fingerprint]");
  if (shown) {
    withKey((keys, key) => keys.fingerprint(key)).then((text) => { shown.textContent = text; }, (error) => complain(error.message));
  }
}
