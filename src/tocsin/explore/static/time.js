// The one axis of time: a slider that plays, and that arrows, drag and the space bar move.

import { h, byId, fill } from "./dom.js";

const SPEEDS = [[1, "1 week a second"], [4, "4 weeks a second"], [13, "3 months a second"]];

export class TimeBar {
  constructor(state) {
    Object.assign(this, { state, playing: false, speed: 1 });
    const { calendar } = state;
    this.quiet = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.week = calendar.clock === "day" ? 7 : 1;
    this.button = h("button", { id: "play", type: "button", class: "main", onclick: () => this.toggle() }, "Play");
    this.slider = h("input", {
      id: "slider", type: "range", min: 0, max: calendar.count - 1, step: 1,
      "aria-label": calendar.dated ? "Date" : "Time",
      oninput: () => { this.pause(); state.set({ i: Number(this.slider.value) }); },
    });
    this.date = h("output", { id: "date", for: "slider" });
    const units = calendar.clock === "day" ? SPEEDS : [[1, "slow"], [4, "quick"], [13, "quicker"]];
    const speed = h("select", { id: "speed", onchange: (event) => { this.speed = Number(event.target.value); } },
      units.map(([value, words]) => h("option", { value }, words)));
    fill(byId("time"),
      h("div", { class: "timerow" }, this.button, this.date,
        h("label", { class: "inline" }, h("span", { class: "sr" }, "Speed"), speed),
        h("span", { class: "keys small quiet" }, calendar.clock === "day" ? "space: play · ← →: a week · with shift: a day" : "space: play · ← →: a step")),
      this.slider);
    state.listen(["i"], () => this.show());
    this.show();
    document.addEventListener("keydown", (event) => this.key(event));
  }

  show() {
    const { calendar } = this.state;
    const i = this.state.get("i");
    const words = calendar.words(calendar.number(i));
    this.slider.value = i;
    this.slider.setAttribute("aria-valuetext", words);
    this.date.textContent = words;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    const slider = at === this.slider;
    // Text, lists and buttons keep the keys that they know; everywhere else keys move time.
    if (!slider && at.closest("input:not([type=checkbox]):not([type=radio]), textarea, select")) return;
    const radio = at.closest("input[type=radio]");
    if (event.key === " ") {
      if (at.closest("button, summary, a, input:not([type=range])")) return;
      event.preventDefault();
      this.toggle();
      return;
    }
    const quarter = 13 * this.week;
    const steps = {
      ArrowLeft: event.shiftKey ? -1 : -this.week, ArrowRight: event.shiftKey ? 1 : this.week,
      PageUp: quarter, PageDown: -quarter, Home: -Infinity, End: Infinity,
    };
    if (slider) Object.assign(steps, { ArrowDown: steps.ArrowLeft, ArrowUp: steps.ArrowRight });
    if (!(event.key in steps)) return;
    // Outside of the slider, these keys scroll the page, and a radio's arrows choose.
    if (!slider && (radio || !event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    this.pause();
    this.move(steps[event.key]);
  }

  move(steps) {
    const { count } = this.state.calendar;
    const i = Math.min(count - 1, Math.max(0, this.state.get("i") + steps));
    this.state.set({ i });
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    const { state } = this;
    const { count } = state.calendar;
    if (state.get("i") >= count - 1) state.set({ i: 0 });
    this.playing = state.playing = true;
    this.button.textContent = "Pause";
    let then = null, at = state.get("i");
    const frame = (now) => {
      if (!this.playing) return;
      if (then !== null) {
        at += ((now - then) / 1000) * this.week * this.speed;
        // Whoever wants less motion sees one step a second instead of a glide.
        const i = this.quiet.matches
          ? state.get("i") + Math.floor((at - state.get("i")) / (this.week * this.speed)) * this.week * this.speed
          : Math.floor(at);
        state.set({ i: Math.min(count - 1, i) });
        if (at >= count - 1) {
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
    if (!this.playing) return;
    this.playing = this.state.playing = false;
    this.button.textContent = "Play";
    this.state.write(false);
    this.state.tell(["paused"]);
  }
}
