// The time line: both voices, pauses, notes and where one is; a click goes there. The same stands in words beside it: the
// slider says the moment, the list every mark.
import { BINS_A_SECOND } from "./waves.js";

const COLOURS = { ink: "--ink", soft: "--soft", line: "--line", deep: "--deep", warn: "--warn", card: "--card" };

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60)];
  return hours ? `${hours}:${two(minutes % 60)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export class TimeLine {
  // `box` holds a canvas and a slider; `go` is called with the second that was chosen.
  constructor(box, seconds, go) {
    [this.canvas, this.slider] = [box.querySelector("canvas"), box.querySelector("input")];
    this.words = box.dataset;
    Object.assign(this, { seconds, waves: null, pauses: [], notes: [], at: 0, muted: [false, false], due: false });
    this.slider.max = Math.floor(seconds);
    this.slider.addEventListener("input", () => go(Number(this.slider.value)));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.move(0);
  }

  move(at) {
    this.at = at;
    this.slider.value = Math.floor(at);
    const pause = this.pauses.find((one) => one.begin <= at && at < one.end);
    const where = this.words.moment.replace("{0}", clock(at)).replace("{1}", clock(this.seconds));
    this.slider.setAttribute("aria-valuetext", pause ? `${where}, ${this.words[pause.title]}` : where);
    this.draw();
  }

  // At most once a picture.
  draw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.paint();
    });
  }

  paint() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [Math.round(this.canvas.clientWidth * ratio), Math.round(this.canvas.clientHeight * ratio)];
    if (!width || !height) return;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const style = getComputedStyle(this.canvas);
    const colour = Object.fromEntries(Object.entries(COLOURS).map(([name, of]) => [name, style.getPropertyValue(of)]));
    const pen = this.canvas.getContext("2d");
    const x = (seconds) => (seconds / this.seconds) * width;
    pen.clearRect(0, 0, width, height);
    for (const { begin, end, title } of this.pauses) {
      pen.fillStyle = colour.line;
      pen.fillRect(x(begin), 0, Math.max(2 * ratio, x(end) - x(begin)), height);
      pen.fillStyle = title === "hold" ? colour.warn : colour.soft;
      pen.fillRect(x(begin), height - 3 * ratio, Math.max(2 * ratio, x(end) - x(begin)), 3 * ratio);
    }
    this.paintVoices(pen, colour, width, height, ratio);
    for (const { at } of this.notes) {
      pen.fillStyle = colour.warn;
      pen.beginPath();
      pen.moveTo(x(at) - 5 * ratio, 0);
      pen.lineTo(x(at) + 5 * ratio, 0);
      pen.lineTo(x(at), 9 * ratio);
      pen.fill();
      pen.fillRect(x(at) - ratio / 2, 0, ratio, height);
    }
    pen.fillStyle = colour.ink;
    pen.fillRect(Math.min(width - 2 * ratio, x(this.at)), 0, 2 * ratio, height);
  }

  // Each column the loudest of its moments; the trainee above, the caller below, a muted one faint.
  paintVoices(pen, colour, width, height, ratio) {
    const half = height / 2;
    pen.fillStyle = colour.line;
    pen.fillRect(0, half, width, ratio);
    if (!this.waves) return;
    const { peaks, known } = this.waves;
    const bins = this.seconds * BINS_A_SECOND;
    for (let column = 0; column < width; column += ratio) {
      const low = Math.floor((column / width) * bins);
      const high = Math.max(low + 1, Math.floor(((column + ratio) / width) * bins));
      for (let side = 0; side < 2; side += 1) {
        let peak = -1;
        for (let bin = low; bin < high; bin += 1) if (known[bin]) peak = Math.max(peak, peaks[side][bin]);
        if (peak < 0) continue;
        const tall = Math.max(ratio, Math.sqrt(peak / 255) * (half - 4 * ratio));
        pen.globalAlpha = this.muted[side] ? 0.25 : 1;
        pen.fillStyle = side ? colour.soft : colour.deep;
        pen.fillRect(column, side ? half + ratio : half - tall, Math.max(1, ratio - 0.5), tall);
      }
    }
    pen.globalAlpha = 1;
  }
}
