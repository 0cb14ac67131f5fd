// The story of one unit: events with sources, the hazards by cause, and the neighbours of the day.

import { h, byId, fill, linked } from "./dom.js";
import { colour, drawn } from "./chart.js";
import { hundred, listed } from "./words.js";

export class Story {
  constructor(state, data, looks) {
    Object.assign(this, { state, data, looks, told: null });
    const all = [...state.about.units].sort((a, b) => a.label.localeCompare(b.label, "en"));
    this.pick = h("select", { id: "unit", onchange: () => state.set({ unit: this.pick.value || null }, true) },
      h("option", { value: "" }, "choose a place, or click the map"),
      all.map((each) => h("option", { value: each.id }, each.label)));
    fill(byId("unitpick"), h("label", { for: "unit" }, "Whose story?"), this.pick);
    this.now = h("p", { class: "now" });
    this.neighbours = h("div", {});
    state.listen(["unit", "show"], () => this.load());
    state.listen(["i"], () => this.show());
  }

  async load() {
    const unit = this.state.get("unit");
    this.pick.value = unit || "";
    if (!unit) {
      this.told = null;
      byId("place-title").textContent = "A place";
      fill(byId("story"));
      return;
    }
    byId("place-title").textContent = this.looks.name(unit);
    const show = this.state.get("show");
    let told;
    try {
      told = await this.data.ask("unit", { unit, show });
    } catch (error) {
      fill(byId("story"), h("p", { class: "warn" }, error.message));
      return;
    }
    if (unit !== this.state.get("unit") || show !== this.state.get("show")) return;
    this.told = told;
    this.tell();
  }

  tell() {
    const { told } = this;
    const plain = (name) => told.words[name] || name;
    const { calendar } = this.state;
    const each = this.looks.units.get(told.unit);
    const words = this.looks.states.get(told.hazards.show);
    const events = told.events.map((event) => h("li", {},
      h("button", { type: "button", class: "when", title: "go to this day", onclick: () => this.state.set({ i: calendar.index(event.time) }) },
        calendar.words(event.time)),
      h("span", { class: "what" }, ` ${this.looks.states.get(event.show)?.one || event.words}`),
      event.outcome && h("span", { class: "quiet" }, ` (${event.outcome})`),
      event.note && h("p", { class: "small" }, event.note),
      event.causes && event.causes.length > 0 && h("p", { class: "small" },
        "What moved it, by the model: ", listed(event.causes.slice(0, 4).map(([name, share]) => `${plain(name)} ${hundred(share)}`)), " of 100",
        event.senders && event.senders.length > 0 && `; from ${listed(event.senders.map(([name, share]) => `${this.looks.name(name)} ${hundred(share)}`))}`,
        "."),
      h("p", { class: "small quiet" }, "Source: ", event.source ? linked(event.source) : "none given",
        event.confidence && ` · confidence: ${event.confidence}`)));
    this.chart = h("div", { class: "chart" });
    const entries = told.causes.entries;
    const total = entries.reduce((sum, [, count]) => sum + count, 0);
    fill(byId("story"),
      each.full !== each.label && h("p", { class: "quiet" }, each.full),
      each.note && h("p", { class: "small" }, each.note),
      this.now,
      h("h3", {}, told.events.length ? `What happened: ${told.events.length} event${told.events.length === 1 ? "" : "s"}` : "No event in the record"),
      told.events.length > 0 && h("div", { class: "eventbox", tabindex: "0", role: "region", "aria-label": `Events of ${each.label}` }, h("ol", { class: "events" }, events)),
      h("h3", {}, `Hazard of ${words.one}, by cause`),
      Object.keys(told.hazards.causes).length ? this.chart : h("p", { class: "small" }, "The model has no transition into this state."),
      total > 0 && h("p", { class: "small" },
        `In ${told.causes.worlds.toLocaleString("en")} unchanged worlds it came to this ${total.toLocaleString("en")} time${total === 1 ? "" : "s"}, set off by `,
        listed(entries.map(([name, count]) => `${plain(name)} (${hundred(count / total)} of 100)`)), "."),
      h("h3", {}, "Neighbours on this day"),
      this.neighbours);
    this.shown = null;
    this.show();
    this.draw();
  }

  show() {
    const { told } = this;
    if (!told) return;
    const i = this.state.get("i");
    const { calendar } = this.state;
    const going = this.looks.standing(told.unit, i).map(([show]) => this.looks.states.get(show)).map((state) => state.one || state.words);
    const there = this.looks.present(told.unit, i);
    const text = `${calendar.words(calendar.number(i))}: ${there ? (going.length ? going.join(", ") : "none of the states that are followed") : "not there"}.`;
    if (this.now.textContent !== text) this.now.textContent = text;
    // Neighbours change seldom: they are written anew only when other ties are in force.
    const t = calendar.instant(i);
    const ties = told.neighbours.filter((tie) => tie.start < t && t <= tie.end);
    const key = ties.map((tie) => `${tie.layer}${tie.way}${tie.unit}${tie.weight}`).join("|");
    if (key === this.shown) return;
    this.shown = key;
    const layers = new Map();
    for (const tie of ties) {
      const place = layers.get(tie.layer) || { hears: [], sends: [] };
      place[tie.way].push(tie.unit);
      layers.set(tie.layer, place);
    }
    const names = (units) => units.map((unit) => h("button", { type: "button", class: "link", onclick: () => this.state.set({ unit }, true) }, this.looks.name(unit)));
    fill(this.neighbours, layers.size === 0 && h("p", { class: "small" }, "No tie is in force."),
      h("dl", { class: "ties" }, [...layers].map(([layer, { hears, sends }]) => {
        const both = hears.filter((unit) => sends.includes(unit));
        const from = hears.filter((unit) => !both.includes(unit)), to = sends.filter((unit) => !both.includes(unit));
        return [h("dt", {}, told.words[layer]), h("dd", {},
          both.length > 0 && [...spaced(names(both)), " "],
          from.length > 0 && ["from ", ...spaced(names(from)), " "],
          to.length > 0 && ["to ", ...spaced(names(to))])];
      })));
  }

  async draw() {
    const { told } = this;
    const causes = Object.entries(told.hazards.causes);
    if (!causes.length) return;
    const { calendar } = this.state;
    const names = causes.map(([name]) => told.words[name]);
    const scale = { domain: names, range: causes.map(([name]) => colour(told.hazards.colours[name])) };
    const per = calendar.clock === "day" ? 365.25 : 1;
    const values = causes.flatMap(([, rates], n) => rates.map((rate, k) => ({
      t: calendar.dated ? calendar.date(told.hazards.time[k]).getTime() : told.hazards.time[k], cause: names[n], rate: rate * per, n,
    })));
    const spec = {
      height: 130,
      data: { values },
      mark: { type: "area", interpolate: "step", strokeWidth: 0.5, stroke: colour("paper") },
      encoding: {
        x: { field: "t", type: calendar.dated ? "temporal" : "quantitative", scale: calendar.dated ? { type: "utc" } : { zero: false, nice: false }, axis: { title: null, grid: false, tickCount: 4 } },
        y: { field: "rate", type: "quantitative", stack: "zero", axis: { title: calendar.clock === "day" ? "a year" : "a unit of time", tickCount: 4 } },
        color: { field: "cause", type: "nominal", scale, legend: { columns: this.chart.clientWidth > 400 ? 3 : 2, symbolSize: 90, labelLimit: 130 } },
        order: { field: "n" },
      },
    };
    const top = causes.map(([, rates], n) => [names[n], Math.max(...rates) * per]).sort((a, b) => b[1] - a[1]);
    const text = `Hazard by cause through time, a week's mean, as what happened made it; the highest of each cause: ` +
      top.map(([name, rate]) => `${name} ${rate.toPrecision(2)}`).join(", ") + " a year.";
    await drawn(this.chart, spec, text);
  }
}

function spaced(parts) {
  return parts.flatMap((part, n) => (n ? [", ", part] : [part]));
}
