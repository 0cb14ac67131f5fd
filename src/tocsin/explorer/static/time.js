// The one axis of time: a slider that plays, and that arrows, drag and the space bar move.

import { h, byId, fill } from "./dom.js";
import { Player } from "./play.js";

const SPEEDS = [[1, "1 week a second"], [4, "4 weeks a second"], [13, "3 months a second"]];

export class TimeBar {
  constructor(state) {
    this.state = state;
    const { calendar } = state;
    const button = h("button", { id: "play", type: "button", class: "main" }, "Play");
    this.player = new Player(calendar, button, {
      get: () => state.get("i"),
      set: (i) => state.set({ i }),
      turned: (playing) => this.turned(playing),
    });
    this.slider = h("input", {
      id: "slider", type: "range", min: 0, max: calendar.count - 1, step: 1,
      "aria-label": calendar.dated ? "Date" : "Time",
      oninput: () => { this.pause(); state.set({ i: Number(this.slider.value) }); },
    });
    this.date = h("output", { id: "date", for: "slider" });
    const units = calendar.clock === "day" ? SPEEDS : [[1, "slow"], [4, "quick"], [13, "quicker"]];
    const speed = h("select", { id: "speed", onchange: (event) => { this.player.pace = this.player.week * Number(event.target.value); } },
      units.map(([value, words]) => h("option", { value }, words)));
    fill(byId("time"),
      h("div", { class: "timerow" }, button, this.date,
        h("label", { class: "inline" }, h("span", { class: "sr" }, "Speed"), speed),
        h("span", { class: "keys small quiet" }, this.player.help)),
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
    if (!this.slider.offsetParent) return; // another page of the document is looked at
    const slider = at === this.slider;
    // Text, lists and buttons keep the keys that they know; everywhere else keys move time.
    if (!slider && at.closest("input:not([type=checkbox]):not([type=radio]), textarea, select")) return;
    if (event.key === " ") {
      if (at.closest("button, summary, a, input:not([type=range])")) return;
      event.preventDefault();
      this.player.toggle();
      return;
    }
    const steps = this.player.steps(event, slider);
    // A radio's arrows choose.
    if (steps === null || at.closest("input[type=radio]")) return;
    event.preventDefault();
    this.pause();
    this.move(steps);
  }

  move(steps) {
    const { count } = this.state.calendar;
    const i = Math.min(count - 1, Math.max(0, this.state.get("i") + steps));
    this.state.set({ i });
  }

  turned(playing) {
    this.state.playing = playing;
    if (playing) return;
    this.state.write(false);
    this.state.tell(["paused"]);
  }

  play() {
    this.player.play();
  }

  pause() {
    this.player.pause();
  }
}
