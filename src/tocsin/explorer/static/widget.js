// The widget of a notebook: one map, one axis of time, one curve. Everything that it shows is in the model.

import { dragged, h, svg } from "./dom.js";
import { likeness, unpacked } from "./data.js";
import { Calendar, between, counted, latest, nearest } from "./words.js";
import { Looks } from "./looks.js";
import { MapView } from "./map.js";
import { Player } from "./play.js";

const ROWS = 400; // of the table
const HIGH = 100; // of the curve, in its own measure
const SPEED = 4; // weeks (or steps) a second

class Widget {
  constructor(model, el) {
    const content = model.get("content");
    Object.assign(this, { model, content, about: content.about });
    this.calendar = new Calendar(this.about);
    this.looks = new Looks(this.about, this.calendar);
    this.scene = { ...content.scene, counts: unpacked(content.scene), likeness: likeness(content.scene) };
    this.state = this.about.states[0];
    this.i = this.calendar.read(model.get("date")) ?? 0;
    this.build(el);
    this.listen();
    this.choose(model.get("unit"), false);
    this.paint();
  }

  build(el) {
    const { content, calendar, state } = this;
    const many = content.scene.worlds.toLocaleString("en");
    this.root = h("div", {
      class: "tocsin", role: "group", "aria-label": `${content.title}: ${state.standing} through time`,
      // Keys are the widget's while it has the focus, not shortcuts of the notebook.
      "data-lm-suppress-shortcuts": "true",
    });
    this.root.append(
      h("p", { class: "head" }, `${content.title}: ${state.standing}`),
      h("p", { class: "small quiet" }, `${many} worlds, seed ${content.scene.seed}`,
        content.changes.length ? `, with ${content.changes.map((each) => `“${each}”`).join(" and ")}` : ""),
    );
    if (content.maps.length) this.root.append(this.mapPart());
    const button = h("button", { type: "button" }, "Play");
    this.player = new Player(calendar, button, {
      get: () => this.i,
      set: (i) => this.move(i - this.i),
      turned: (playing) => this.turned(playing),
    });
    this.player.pace *= SPEED;
    this.date = h("output", { class: "date" });
    this.slider = h("input", {
      type: "range", min: 0, max: calendar.count - 1, step: 1, "aria-label": calendar.dated ? "Date" : "Time",
    });
    this.said = h("p", { role: "status" });
    this.told = h("p", { class: "small", hidden: true });
    this.root.append(
      h("div", { class: "bar" }, button, this.date, h("span", { class: "keys small quiet" }, this.player.help)),
      this.slider, this.curvePart(), this.said, this.told, this.tablePart(),
    );
    if (content.source) this.root.append(h("p", { class: "small quiet" }, `Source: ${content.source}`));
    el.append(this.root);
  }

  mapPart() {
    const { content, state } = this;
    const holder = h("div", { class: "maphold" });
    this.map = new MapView(holder, (unit) => this.words(unit), (unit) => this.choose(unit, true));
    // Widgets of one notebook share a document: names of patterns are this one's own.
    this.map.number = `tocsin-${Math.random().toString(36).slice(2, 9)}`;
    this.note = h("p", { class: "small quiet" });
    this.names = new Map(this.about.units.map((each) => [each.id, each.label]));
    this.map.svg.setAttribute("aria-label", "Map: arrows up and down, or a letter, choose a place");
    return h("div", {}, holder,
      h("div", { class: "legend" },
        h("span", {}, "0 ", h("span", { class: `ramp s-${state.own}` }), ` 100 of 100 worlds ${state.standing ? `(${state.words})` : ""}`),
        content.record ? h("span", {}, h("span", { class: "edge" }), " edge of ink: in the record") : null,
        h("span", {}, "dots: too few worlds to say")),
      this.note);
  }

  // --- the curve ------------------------------------------------------------------------------------------

  curvePart() {
    const { content, calendar } = this;
    const { curve } = this.scene;
    this.seen = content.record ? curve.time.map((time) => this.held(calendar.dated ? time + 1 : time)) : null;
    const top = Math.max(1, ...curve.q95, ...(this.seen || []));
    const x = (n) => (curve.time[n] - calendar.start) / (calendar.count * calendar.step) * 1000;
    const y = (value) => HIGH * (1 - value / top);
    const line = (values) => values.map((value, n) => `${n ? `H${x(n).toFixed(1)}V` : `M${x(n).toFixed(1)} `}${y(value).toFixed(2)}`).join("") + "H1000";
    // A band is its upper edge forth and its lower edge back.
    const band = (low, high) => {
      let back = "";
      for (let n = low.length - 1; n >= 0; n--) back += `V${y(low[n]).toFixed(2)}H${x(n).toFixed(1)}`;
      return `${line(high)}${back}Z`;
    };
    this.cursor = svg("line", { class: "cursor", y1: 0, y2: HIGH });
    const best = this.seen ? this.seen.indexOf(Math.max(...this.seen)) : curve.mean.indexOf(Math.max(...curve.mean));
    const when = calendar.words(curve.time[best]);
    const label = this.seen
      ? `${this.state.standing} through time. In the record at most ${this.seen[best]}, on ${when}; at that time 90 of 100 worlds have ${curve.q05[best]} to ${curve.q95[best]}, median ${curve.q50[best]}.`
      : `${this.state.standing} through time. Most on ${when}: 90 of 100 worlds have ${curve.q05[best]} to ${curve.q95[best]}, median ${curve.q50[best]}.`;
    const picture = svg("svg", { viewBox: `0 0 1000 ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
      svg("path", { class: "wide", d: band(curve.q05, curve.q95) }),
      svg("path", { class: "half", d: band(curve.q25, curve.q75) }),
      svg("path", { class: "median", d: line(curve.q50) }),
      this.seen ? svg("path", { class: "seen", d: line(this.seen) }) : null,
      this.cursor);
    this.plot = h("div", { class: "curve" }, picture,
      h("span", { class: "top", "aria-hidden": "true" }, `${top} ${this.state.standing}`),
      this.ticks().map(([share, text]) => h("span", { class: "tick", style: `left:${(100 * share).toFixed(2)}%`, "aria-hidden": "true" }, text)));
    const key = `${this.seen ? "Ink: what happened. " : ""}Bands: 50 and 90 of 100 worlds, thin line their median.`;
    return h("div", {}, this.plot, h("p", { class: "small quiet" }, key));
  }

  ticks() {
    const { calendar } = this;
    const all = calendar.count * calendar.step;
    if (!calendar.dated) return [0.02, 0.25, 0.5, 0.75, 0.98].map((share) => [share, calendar.words(calendar.start + share * all)]);
    const found = [];
    for (let i = 1; i < calendar.count; i++) {
      if (calendar.date(calendar.number(i)).getUTCFullYear() !== calendar.date(calendar.number(i - 1)).getUTCFullYear()) {
        found.push([i / calendar.count, String(calendar.date(calendar.number(i)).getUTCFullYear())]);
      }
    }
    const thin = Math.ceil(found.length / 8) || 1;
    if (found.length > 1) return found.filter((_, n) => n % thin === 0);
    return [0.1, 0.5, 0.9].map((share) => [share, calendar.words(calendar.number(Math.floor(share * calendar.count)))]);
  }

  held(t) {
    return Object.values(this.about.spells).flat().filter(([, start, end]) => start < t && t <= end).length;
  }

  // --- the table ------------------------------------------------------------------------------------------

  tablePart() {
    const seen = new Set([...this.scene.counts.keys(), ...Object.keys(this.about.spells)]);
    this.rows = this.about.units.filter((each) => seen.has(each.id))
      .sort((a, b) => a.label.localeCompare(b.label, "en")).slice(0, ROWS);
    this.body = h("tbody", {});
    this.caption = h("caption", {});
    const head = ["Place", this.content.record ? "In the record" : null, "Of 100 worlds (95% interval)"].filter(Boolean);
    this.details = h("details", {}, h("summary", {}, "As a table"),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The worlds as a table" },
        h("table", {}, this.caption, h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))), this.body)));
    this.details.open = !this.content.maps.length;
    this.details.addEventListener("toggle", () => this.tabulate());
    return this.details;
  }

  tabulate() {
    if (!this.details.open) return;
    this.caption.textContent = `${this.state.standing}, ${this.calendar.words(this.calendar.number(this.i))}`;
    this.body.replaceChildren(...this.rows.map(({ id, label }) => {
      const there = this.looks.present(id, this.i);
      const held = this.looks.holds(id, this.state.show, this.i);
      return h("tr", {}, h("th", { scope: "row" }, label),
        this.content.record ? h("td", {}, there && held ? "yes" : "no") : null,
        h("td", {}, there ? between(this.looks.share(id, this.i, this.scene)).replace(" of 100 worlds", "") : "not there"));
    }));
  }

  // --- time -----------------------------------------------------------------------------------------------

  listen() {
    this.slider.addEventListener("input", () => {
      this.player.pause();
      this.move(Number(this.slider.value) - this.i);
    });
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("pointerdown", (event) => this.drag(event));
    this.onDate = () => {
      const i = this.calendar.read(this.model.get("date"));
      if (i === null || i === this.i) return;
      this.i = i;
      this.paint();
    };
    this.onUnit = () => this.choose(this.model.get("unit"), false);
    this.model.on("change:date", this.onDate);
    this.model.on("change:unit", this.onUnit);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // The notebook is not to take letters that choose a place on the map for its own shortcuts.
    event.stopPropagation();
    if (event.key === " " && !event.target.closest("button, summary")) {
      event.preventDefault();
      this.player.toggle();
      return;
    }
    const steps = this.player.steps(event, event.target === this.slider);
    if (steps === null || event.target.closest(".scroll")) return;
    event.preventDefault();
    this.player.pause();
    this.move(steps);
  }

  drag(event) {
    dragged(event, (point) => {
      const box = this.plot.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (point.clientX - box.left) / box.width));
      this.player.pause();
      this.move(Math.min(this.calendar.count - 1, Math.floor(share * this.calendar.count)) - this.i);
    });
  }

  move(steps) {
    this.i = Math.min(this.calendar.count - 1, Math.max(0, this.i + steps));
    this.paint();
    if (!this.player.playing) this.tell();
  }

  // Say to the kernel, if there is one, where time stands.
  tell() {
    this.model.set("date", this.calendar.text(this.calendar.number(this.i)));
    this.model.save_changes();
  }

  turned(playing) {
    if (playing) return;
    this.paint();
    this.tell();
  }

  // --- what is seen ---------------------------------------------------------------------------------------

  words(unit) {
    const lines = this.looks.aboutUnit(unit, this.i, "base", { base: this.scene }, this.state.show);
    return this.content.record ? lines : lines.filter((text) => !text.startsWith("in the record"));
  }

  choose(unit, told) {
    const known = this.about.units.some((each) => each.id === unit);
    this.unit = known ? unit : "";
    this.map?.select(this.unit);
    this.tellUnit();
    if (!told || !known) return;
    this.model.set("unit", unit);
    this.model.save_changes();
  }

  tellUnit() {
    this.told.hidden = !this.unit;
    if (this.unit) this.told.textContent = `${this.words(this.unit).join(". ")}.`;
  }

  paint() {
    const { calendar } = this;
    const number = calendar.number(this.i), words = calendar.words(number);
    this.slider.value = this.i;
    this.slider.setAttribute("aria-valuetext", words);
    this.date.textContent = words;
    const x = ((this.i + 0.5) / calendar.count * 1000).toFixed(1);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    if (this.map) this.paintMap();
    const { curve } = this.scene;
    const n = latest(curve.time, number);
    const happened = this.content.record
      ? `${counted(this.held(calendar.instant(this.i)), this.state.one, this.state.standing)} in the record; ` : "";
    // While time runs, a screen reader is not to read every frame.
    this.said.setAttribute("aria-live", this.player.playing ? "off" : "polite");
    this.said.textContent = `${words}: ${happened}90 of 100 worlds have ${curve.q05[n]} to ${curve.q95[n]}, median ${curve.q50[n]}.`;
    this.tellUnit();
    if (!this.player.playing) this.tabulate();
  }

  paintMap() {
    const cut = nearest(this.content.cuts, this.calendar.number(this.i)), map = this.content.maps[cut];
    this.map.draw(map, this.names, this.unit);
    const looks = new Map();
    for (const unit of this.map.drawn) {
      looks.set(unit, this.looks.worlds(unit, this.i, this.scene, this.state.show));
    }
    this.map.paint(looks);
    this.map.refresh();
    const day = this.content.cut_dates[cut];
    const since = day ? `Borders of ${this.calendar.words(this.content.cuts[cut])}. ` : "";
    this.note.textContent = `${since}${map.note} Outlines: ${map.source}.`;
  }
}

export function render({ model, el }) {
  const widget = new Widget(model, el);
  return () => {
    widget.player.playing = false;
    model.off("change:date", widget.onDate);
    model.off("change:unit", widget.onUnit);
  };
}
