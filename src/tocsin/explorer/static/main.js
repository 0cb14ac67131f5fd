// The page: what is asked for, what is drawn, and how the parts hear of each other.

import { h, byId, fill } from "./dom.js";
import { Trouble, likeness, openData, unpacked } from "./data.js";
import { Calendar, listed, nearest } from "./words.js";
import { State } from "./state.js";
import { TimeBar } from "./time.js";
import { MapView } from "./map.js";
import { Looks } from "./looks.js";
import { Curve } from "./curve.js";
import { WhatIf } from "./whatif.js";
import { Story } from "./story.js";
import { Layers } from "./layers.js";
import { Table } from "./table.js";
import { Take } from "./take.js";

const WORDS = { record: "What happened", worlds: "The model’s worlds", sides: "Side by side", change: "Difference" };

class Page {
  constructor(about, data) {
    this.about = about;
    this.data = data;
    this.calendar = new Calendar(about);
    this.state = new State(about, this.calendar);
    this.looks = new Looks(about, this.calendar);
    this.scenes = { base: null, do: null };
    this.outlines = new Map();
    this.names = new Map(about.units.map((each) => [each.id, each.label]));
    document.title = `${about.title} · Tocsin explorer`;
    byId("title").textContent = about.title;
    byId("about").textContent = about.description;
    byId("ask").textContent = about.ask;
    fill(byId("foot"), about.citation && h("p", {}, `${about.citation}. ${about.licence}`),
      h("p", {}, `Borders: Natural Earth, public domain. ${about.worlds.toLocaleString("en")} worlds, seed ${this.state.get("seed")}.`));
    this.makeMaps();
    this.makeModes();
    this.time = new TimeBar(this.state);
    this.curve = new Curve(this.state, this.looks);
    this.whatif = new WhatIf(this.state, data);
    this.layers = new Layers(this.state, data, this.whatif.builder);
    this.story = new Story(this.state, data, this.looks);
    this.table = new Table(this.state, this.looks);
    this.take = new Take(this.state, data, [this.left, this.right]);
    this.listen();
  }

  listen() {
    const { state } = this;
    state.listen(["i"], () => this.soon());
    state.listen(["grabbed"], () => this.time.pause());
    state.listen(["do", "base", "show", "seed", "given"], (changed) => {
      if (changed.includes("do")) this.turn();
      this.pressed = changed.length < 5 && (changed.includes("do") || changed.includes("given"));
      this.load();
    });
    state.listen(["map", "view", "hide", "ties"], () => { this.modes(); this.legend(); this.soon(); });
    state.listen(["unit"], () => {
      for (const map of [this.left, this.right]) map.select(state.get("unit"));
      if (this.difference) {
        this.whatif.tell(this.difference, state.get("unit"));
        this.table.show(this.difference);
      }
    });
    state.listen(["paused"], () => this.say());
    const again = () => this.curve.draw(this.scenes, { show: state.get("show") }).then(() => this.story.told && this.story.draw());
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    let width = window.innerWidth, timer = 0;
    window.addEventListener("resize", () => {
      if (window.innerWidth === width) return;
      width = window.innerWidth;
      clearTimeout(timer);
      timer = setTimeout(again, 200);
    });
  }

  async start() {
    this.troubles(this.state.troubles);
    this.modes();
    this.legend();
    await this.paint();
    await Promise.all([this.load(), this.story.load()]);
  }

  // Look at what the query of an address says, as if the page had been opened with it.
  visit(query) {
    this.time.pause();
    this.state.read(query);
    this.state.tell(Object.keys(this.state.values));
  }

  troubles(words) {
    fill(byId("trouble"), words.map((text) => h("p", { class: "warn" }, text)));
  }

  // --- worlds -----------------------------------------------------------------------------------------

  asked() {
    const { state } = this;
    return { show: state.get("show"), seed: state.get("seed"), given: this.ours() ? "history" : null };
  }

  // Whether it is asked of our own world; an edition holds that of the wave only.
  ours() {
    const { state } = this;
    return Boolean(state.get("given")) && (this.data.free || state.get("show") === this.about.wave);
  }

  async scene(sentences) {
    const raw = await this.data.ask("worlds", { ...this.asked(), do: sentences });
    // A scene is unpacked once, however often it is looked at.
    if (!raw.unpacked) raw.unpacked = { ...raw, counts: unpacked(raw), likeness: likeness(raw) };
    return raw.unpacked;
  }

  async load() {
    const { state } = this;
    const turn = (this.turns = (this.turns || 0) + 1);
    const [doing, base] = [state.get("do"), state.get("base")];
    const compare = doing.length > 0 || base.length > 0;
    this.whatif.busy("asking");
    try {
      const [first, second, difference] = await Promise.all([
        this.scene(base),
        compare ? this.scene(doing) : null,
        this.data.ask("difference", { ...this.asked(), do: doing, base }),
      ]);
      if (turn !== this.turns) return;
      this.scenes = { base: first, do: second };
      this.difference = difference;
      this.looks.effects = new Map(difference.rows.map((row) => [row.unit, row.difference]));
      this.troubles(state.troubles);
      state.troubles = [];
      this.whatif.tell(difference, state.get("unit"));
      this.table.show(difference);
      this.take.code(difference);
      // Where parts stand one below the other, the answer to a button would be out of sight.
      if (this.pressed && window.innerWidth < 960) byId("answer").scrollIntoView({ block: "center" });
      this.pressed = false;
      byId("differences-title").textContent = compare ? "What would be different, place by place" : "Place by place";
    } catch (error) {
      if (turn !== this.turns) return;
      this.troubles([...state.troubles, error instanceof Trouble ? error.message : `Something is wrong with this page: ${error.message}`]);
      if (!(error instanceof Trouble)) throw error;
    } finally {
      if (turn === this.turns) this.whatif.busy("");
    }
    this.modes();
    this.legend();
    await this.paint();
    this.say();
    await this.curve.draw(this.scenes, this.asked()).then(() => this.say());
    if (turn === this.turns) {
      document.body.dataset.ready = String(turn);
      this.layers.count();
    }
  }

  // --- modes --------------------------------------------------------------------------------------------

  // A change is looked at beside the unchanged worlds; without one there is nothing to look at.
  turn() {
    const { state } = this;
    const changed = state.get("do").length > 0, mode = state.get("map");
    if (changed && ["record", "worlds"].includes(mode)) state.set({ map: "sides" });
    if (!changed && !state.get("base").length && ["sides", "change"].includes(mode)) state.set({ map: "worlds" });
  }

  makeModes() {
    const { about, state } = this;
    const radios = Object.entries(WORDS).map(([mode, words]) => h("label", { class: "choice" },
      h("input", { type: "radio", name: "map", value: mode, onchange: () => state.set({ map: mode }) }), h("span", {}, words)));
    const select = (id, words, all) => h("label", { class: "inline" }, h("span", { class: "sr" }, words),
      h("select", { id, onchange: (event) => state.set({ [id]: event.target.value }) }, all.map(([value, text]) => h("option", { value }, text))));
    fill(byId("modes"),
      h("fieldset", { class: "choices" }, h("legend", { class: "sr" }, "What the map shows"), radios),
      select("show", "State", about.states.map((each) => [each.show, each.many])),
      about.views.length > 1 && select("view", "View", about.views.map((each) => [each, { europe: "Europe", world: "the world", units: "the places" }[each]])));
  }

  modes() {
    const { state } = this;
    const compare = state.get("do").length > 0 || state.get("base").length > 0;
    for (const input of byId("modes").querySelectorAll("input")) {
      input.checked = input.value === state.get("map");
      input.disabled = ["sides", "change"].includes(input.value) && !compare;
    }
    for (const id of ["show", "view"]) if (byId(id)) byId(id).value = state.get(id);
  }

  legend() {
    const { state, about } = this;
    const mode = state.get("map");
    const swatch = (look, words) => h("li", {}, h("span", { class: `swatch s-${look}` }), ` ${words}`);
    const words = this.looks.states.get(state.get("show"));
    const own = words.own;
    const rows = {
      record: [
        ...about.states.filter((each) => !state.get("hide").includes(each.show)).map((each) => swatch(each.colour + (each.show === about.wave ? " inked" : ""), each.one)),
        swatch("hatched", `${this.looks.states.get(about.wave).one} that has ended`),
      ],
      change: [swatch("more", `${words.one} in more worlds`), swatch("less", `in fewer; full colour at ${this.looks.full(this.scenes)} of 100 worlds`), swatch("dotted", "the expected effect may be none")],
    }[mode] || [
      h("li", {}, h("span", { class: `ramp s-${own}` }), " worlds of 100: 0 to 100"),
      swatch("edge inked", "in the record"), swatch("dotted", "interval wider than 50 of 100 worlds"),
    ];
    fill(byId("legend"), h("ul", {}, rows));
  }

  // --- maps ---------------------------------------------------------------------------------------------

  makeMaps() {
    const holder = (id) => {
      const caption = h("figcaption", { id: `${id}-caption` });
      const place = h("div", { class: "maphold" });
      const figure = h("figure", { id, class: "mapfigure" }, caption, place);
      byId("maps").append(figure);
      return [figure, caption, place];
    };
    const choose = (unit) => this.state.set({ unit }, true);
    [this.leftFigure, this.leftCaption, this.leftPlace] = holder("left");
    [this.rightFigure, this.rightCaption, this.rightPlace] = holder("right");
    const words = (side) => (unit) => {
      const mode = this.state.get("map");
      const what = mode === "sides" ? side : mode === "worlds" ? (this.scenes.do ? "do" : "base") : mode;
      return this.looks.aboutUnit(unit, this.state.get("i"), what, this.scenes, this.state.get("show"));
    };
    this.left = new MapView(this.leftPlace, words("base"), choose);
    this.right = new MapView(this.rightPlace, words("do"), choose);
  }

  // Many moves of the cursor within one frame are drawn once.
  soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  // The outlines for a moment: at once if they are here; else those that are, until they have come.
  outline(view, cut) {
    const key = `${view}/${cut}`;
    if (!this.outlines.has(key)) {
      this.outlines.set(key, null);
      this.data.ask("outlines", { view, cut }).then(
        (found) => { this.outlines.set(key, found); this.soon(); },
        (error) => { this.outlines.delete(key); this.troubles([error.message]); },
      );
    }
    return this.outlines.get(key);
  }

  async paint() {
    const { state, looks, scenes } = this;
    const i = state.get("i"), view = state.get("view"), mode = state.get("map"), show = state.get("show");
    const sides = mode === "sides";
    byId("maps").classList.toggle("two", sides);
    this.rightFigure.hidden = !sides;
    if (view === null) {
      byId("mapnote").textContent = "This history does not say where its places lie, so there is no map: the list of places tells their stories.";
      byId("maps").hidden = true;
      this.title(i, mode, show);
      return;
    }
    const cut = nearest(this.about.cuts, this.calendar.number(i));
    let outlines = this.outline(view, cut);
    // The next borders are fetched before they are needed.
    if (outlines && cut + 1 < this.about.cuts.length) this.outline(view, cut + 1);
    if (!outlines) outlines = [...this.outlines.values()].find((each) => each && each.view === view);
    if (!outlines) return;
    const maps = sides ? [this.left, this.right] : [this.left];
    for (const map of maps) {
      map.draw(outlines, this.names, state.get("unit"));
      const scene = sides ? (map === this.left ? scenes.base : scenes.do) : scenes.do || scenes.base;
      const look = new Map();
      for (const unit of map.drawn) {
        if (mode === "record") look.set(unit, looks.record(unit, i, state.get("hide")));
        else if (mode === "change") look.set(unit, looks.change(unit, i, scenes.base, scenes.do));
        else look.set(unit, looks.worlds(unit, i, scene, show));
      }
      map.paint(look);
      map.name(this.labels(map, look, mode, i));
      map.refresh();
    }
    this.title(i, mode, show);
    const note = `${outlines.note}, the nearest at hand. Outlines: ${outlines.source}.`;
    const unseen = this.about.units.filter((each) => looks.present(each.id, i) && !outlines.places[each.id] && !maps[0].shapes.has(each.id)).length;
    const full = unseen ? `${note} ${unseen} of the places present lie outside this view.` : note;
    if (byId("mapnote").textContent !== full) byId("mapnote").textContent = full;
    const links = await this.layers.links(i);
    for (const map of maps) map.link(links);
  }

  labels(map, look, mode, i) {
    const wide = window.innerWidth > 600;
    const kept = [...look].filter(([unit, each]) => (mode === "record" ? each.inked : mode === "change" ? each.share >= 0.3 && !each.vague : each.share >= 0.05 || each.inked))
      .sort((a, b) => b[1].share - a[1].share).slice(0, wide ? 16 : 7);
    return kept.map(([unit]) => [unit, this.names.get(unit)]);
  }

  title(i, mode, show) {
    const { calendar, looks, scenes, state } = this;
    const words = looks.states.get(show);
    const moment = calendar.words(calendar.number(i));
    const units = looks.holders(show, i).map((unit) => looks.name(unit));
    const seen = units.length ? `${listed(units)} ${units.length === 1 ? words.comes : words.come}` : `no ${words.one}`;
    let text = `${moment}: ${seen}`;
    const mean = (scene) => [...scene.counts.values()].reduce((sum, counts) => sum + counts[Math.min(scene.count - 1, Math.floor(i / scene.step))], 0) / scene.worlds;
    if (mode === "worlds" && (scenes.do || scenes.base)) text = `${moment}: ${mean(scenes.do || scenes.base).toFixed(1)} ${words.standing} on average in the worlds`;
    if (mode !== "record" && mode !== "worlds" && scenes.do && scenes.base) {
      const [now, was] = [scenes.do, scenes.base].map((scene) => mean(scene).toFixed(1));
      text = `${moment}: ${now} ${words.standing} on average${now === was ? ", as many as without the change" : ` instead of ${was}`}`;
    }
    if (byId("finding").textContent !== text) byId("finding").textContent = text;
    const sides = mode === "sides";
    // A change is called by its title; until the answer is there, by its sentences.
    const { difference } = this;
    const told = (sentences) => {
      if (!sentences.length) return "nothing changed";
      const at = difference ? [difference.do, difference.base].findIndex((each) => String(each) === String(sentences)) : -1;
      return `“${at < 0 ? sentences.join("; ") : difference.said[at]}”`;
    };
    const kind = this.ours() ? "Our world (one of the ways in which luck may carry over)" : "Worlds";
    const left = mode === "sides" ? `${kind} with ${told(state.get("base"))}` : mode === "worlds" ? `${kind} with ${told(scenes.do ? state.get("do") : state.get("base"))}` : mode === "change" ? `${kind} with ${told(state.get("do"))}, less those with ${told(state.get("base"))}` : "What happened";
    this.leftCaption.textContent = left;
    this.leftCaption.hidden = !sides && mode !== "change";
    this.rightCaption.textContent = `${kind} with ${told(state.get("do"))}`;
    this.left.svg.setAttribute("aria-label", `Map: ${left}. Up and down choose a place, Enter opens its story.`);
    this.right.svg.setAttribute("aria-label", `Map: ${this.rightCaption.textContent}. Up and down choose a place, Enter opens its story.`);
    if (!state.playing) this.sayLater();
  }

  sayLater() {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => this.say(), 300);
  }

  say() {
    const text = this.curve.words(this.state.get("i"), this.state.get("show"));
    if (byId("now").textContent !== text) byId("now").textContent = text;
  }
}

export async function begin() {
  const data = openData();
  try {
    const page = new Page(await data.ask("about"), data);
    window.tocsinPage = page;
    await page.start();
    return page;
  } catch (error) {
    byId("title").textContent = "Tocsin explorer";
    fill(byId("trouble"), h("p", { class: "warn" }, error.message));
    if (!(error instanceof Trouble)) throw error;
    return null;
  }
}

// In a document of many pages the map begins when it is first looked at.
if (window.tocsinEdition?.whole) {
  window.tocsinBegin = begin;
  window.tocsinRoute();
} else begin();
