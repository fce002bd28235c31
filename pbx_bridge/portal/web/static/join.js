// Joining: the code comes in the address's fragment and goes nowhere but into the proof; the key is made here.
import { answered, ask, keep, newKey, works } from "./key.js";
import { complain } from "./site.js";

const form = document.getElementById("join");
const code = location.hash.slice(1);
const words = form.dataset;

if (!(await works())) {
  complain(words.unsupported);
} else if (!/^[0-9a-f]{32}$/.test(code)) {
  complain(words.noCode);
} else {
  form.querySelector("fieldset").disabled = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = form.elements;
  const button = form.querySelector("button");
  if (fields.passphrase.value !== fields.again.value) return complain(words.differ);
  button.disabled = true;
  try {
    const key = await newKey();
    const proof = await answered(key, "/join/begin", { code });
    const joined = await ask("/join", {
      ...proof, passphrase: fields.passphrase.value, totp: words.totp, code: fields.code.value.replace(/\s/g, ""),
    });
    await keep(joined.name, key);
    history.replaceState(null, "", "/join");
    location.replace("/account");
  } catch (error) {
    complain(error.message);
    button.disabled = false;
  }
});
