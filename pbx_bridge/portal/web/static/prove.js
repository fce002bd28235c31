// Proves the key that lies in this browser, and goes on to where the person wanted.
import { complain, renewed } from "./site.js";

try {
  await renewed();
  location.replace(document.getElementById("proving").dataset.ahead);
} catch (error) {
  document.getElementById("proving").hidden = true;
  document.getElementById("help").hidden = false;
  complain(error.message);
}
