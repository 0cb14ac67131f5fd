// How many units stand in a state through time: what happened in ink, the worlds as bands; it shares the cursor.

import { dragged, h, byId, fill } from "./dom.js";
import { colour, drawn } from "./chart.js";
import { counted, latest } from "./words.js";

export class Curve {
  constructor(state, looks) {
    Object.assign(this, { state, looks, view: null });
    this.chart = h("div", { class: "chart" });
    this.cursor = h("div", { class: "cursor", hidden: true });
    this.holder = h("div", { class: "charthold" }, this.chart, this.cursor);
    this.key = h("p", { class: "small quiet" });
    fill(byId("curve"), this.holder, this.key);
    this.holder.addEventListener("pointerdown", (event) => this.drag(event));
    state.listen(["i"], () => this.point());
  }

  // Spells of the record as the number of units in the state at each time.
  observed(show, times) {
    const { about, calendar } = this.state;
    const count = new Array(times.length).fill(0);
    for (const spells of Object.values(about.spells)) {
      for (const [each, start, end] of spells) {
        if (each !== show) continue;
        times.forEach((time, n) => {
          const t = calendar.dated ? time + 1 : time;
          if (start < t && t <= end) count[n]++;
        });
      }
    }
    return count;
  }

  async draw(scenes, asked) {
    const { calendar } = this.state;
    const show = asked.show;
    const base = scenes.base, changed = scenes.do;
    const main = changed || base;
    if (!main) return;
    const times = main.curve.time;
    const seen = this.observed(show, times);
    const when = (time) => (calendar.dated ? calendar.date(time).getTime() : time);
    const values = times.map((time, n) => ({
      t: when(time), observed: seen[n], q05: main.curve.q05[n], q25: main.curve.q25[n], q50: main.curve.q50[n],
      q75: main.curve.q75[n], q95: main.curve.q95[n],
      b05: base?.curve.q05[n], b50: base?.curve.q50[n], b95: base?.curve.q95[n],
    }));
    const words = this.looks.states.get(show);
    const x = {
      field: "t", type: calendar.dated ? "temporal" : "quantitative",
      scale: calendar.dated ? { type: "utc" } : { nice: false, zero: false },
      axis: { title: null, grid: false, tickCount: { expr: "width > 500 ? 8 : 4" }, labelOverlap: true },
    };
    const y = (field) => ({ field, type: "quantitative" });
    const step = { interpolate: "step-after" };
    const layer = [
      { mark: { type: "area", color: colour("band-wide"), ...step }, encoding: { x, y: { ...y("q05"), axis: { title: words.standing, tickMinStep: 1, format: "d", tickCount: 4 } }, y2: { field: "q95" } } },
      { mark: { type: "area", color: colour("band"), ...step }, encoding: { x, y: y("q25"), y2: { field: "q75" } } },
      { mark: { type: "line", color: colour("wave"), strokeWidth: 1, ...step }, encoding: { x, y: y("q50") } },
    ];
    if (changed && base) {
      const dashed = { type: "line", color: colour("quiet"), strokeWidth: 1.3, strokeDash: [4, 3], ...step };
      layer.push({ mark: dashed, encoding: { x, y: y("b50") } });
      layer.push({ mark: { ...dashed, strokeWidth: 0.7 }, encoding: { x, y: y("b95") } });
    }
    layer.push({ mark: { type: "line", color: colour("ink"), strokeWidth: 2, ...step }, encoding: { x, y: y("observed") } });
    const top = Math.max(...seen), at = times[seen.indexOf(top)];
    const n = times.indexOf(at);
    const description = `${words.standing} through time. In the record at most ${top}, on ${calendar.words(at)}; ` +
      `at that time 90 of 100 worlds have ${main.curve.q05[n]} to ${main.curve.q95[n]}, median ${main.curve.q50[n]}.`;
    this.main = main;
    this.base = changed ? base : null;
    this.key.textContent = "Ink: what happened. Bands: 50 and 90 of 100 worlds" +
      (changed ? " with the change" : "") + ", thin line their median." +
      (changed && base ? ` Dashed: median and upper end of the worlds ${base.do.length ? `with “${base.do.join("; ")}”` : "with nothing changed"}.` : "");
    this.view = await drawn(this.chart, { height: 110, data: { values }, layer }, description);
    this.point();
    // The slider's thumb, 16 pixels wide, stands above the cursor.
    const from = this.place(0), to = this.place(calendar.count - 1);
    Object.assign(byId("slider").style, { marginLeft: `${from - 8}px`, width: `${to - from + 16}px` });
  }

  place(i) {
    const { calendar } = this.state;
    const number = calendar.number(i);
    const scale = this.view.scale("x");
    return this.view.origin()[0] + scale(calendar.dated ? calendar.date(number).getTime() : number);
  }

  point() {
    if (!this.view) return;
    this.cursor.hidden = false;
    this.cursor.style.transform = `translateX(${this.place(this.state.get("i")).toFixed(1)}px)`;
  }

  drag(event) {
    if (!this.view) return;
    const { calendar } = this.state;
    dragged(event, (point) => {
      const left = this.holder.getBoundingClientRect().left;
      const from = this.place(0), to = this.place(calendar.count - 1);
      const share = Math.min(1, Math.max(0, (point.clientX - left - from) / Math.max(1, to - from)));
      this.state.tell(["grabbed"]);
      this.state.set({ i: Math.round(share * (calendar.count - 1)) });
    });
  }

  // What the curve says of a moment, in words.
  words(i, show) {
    if (!this.main) return "";
    const { calendar } = this.state;
    const number = calendar.number(i);
    const n = latest(this.main.curve.time, number);
    const words = this.looks.states.get(show);
    const count = this.looks.holders(show, i).length;
    const c = this.main.curve;
    let text = `${calendar.words(number)}: ${counted(count, words.one, words.standing)} in the record; ` +
      `90 of 100 worlds${this.base ? " with the change" : ""} have ${c.q05[n]} to ${c.q95[n]}`;
    if (this.base) text += `, without it ${this.base.curve.q05[n]} to ${this.base.curve.q95[n]}`;
    return `${text}.`;
  }
}
