// Time that plays: so many steps a second until its end, and the keys that move it.

export class Player {
  // `get` and `set` read and move the position; `turned` hears of each start and stop.
  constructor(calendar, button, { get, set, turned }) {
    Object.assign(this, { calendar, button, get, set, turned, playing: false });
    this.week = calendar.clock === "day" ? 7 : 1;
    this.pace = this.week;
    this.quiet = window.matchMedia("(prefers-reduced-motion: reduce)");
    button.addEventListener("click", () => this.toggle());
  }

  get help() {
    return this.calendar.clock === "day" ? "space: play · ← →: a week · with shift: a day" : "space: play · ← →: a step";
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  turn(playing) {
    this.playing = playing;
    this.button.textContent = playing ? "Pause" : "Play";
    this.turned(playing);
  }

  play() {
    const last = this.calendar.count - 1;
    if (this.get() >= last) this.set(0);
    this.turn(true);
    let then = null, at = this.get();
    const frame = (now) => {
      if (!this.playing) return;
      // What was taken out of its page stops.
      if (!this.button.isConnected) {
        this.playing = false;
        return;
      }
      if (then !== null) {
        const from = this.get();
        at += ((now - then) / 1000) * this.pace;
        // Whoever wants less motion sees one step a second instead of a glide.
        const i = this.quiet.matches ? from + Math.floor((at - from) / this.pace) * this.pace : Math.floor(at);
        if (i !== from) this.set(Math.min(last, i));
        if (at >= last) {
          this.pause();
          return;
        }
      }
      then = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  pause() {
    if (this.playing) this.turn(false);
  }

  // The steps that a key moves time by, or null; a slider knows more keys than the rest.
  steps(event, slider) {
    const step = event.shiftKey ? 1 : this.week, quarter = 13 * this.week;
    const keys = { ArrowLeft: -step, ArrowRight: step };
    if (slider) Object.assign(keys, { ArrowDown: -step, ArrowUp: step, PageUp: quarter, PageDown: -quarter, Home: -Infinity, End: Infinity });
    return keys[event.key] ?? null;
  }
}
