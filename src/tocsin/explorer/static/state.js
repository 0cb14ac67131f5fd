// What is being looked at. It can be read from the address of the page and is written back to it.

export const MODES = ["record", "worlds", "sides", "change"];

export class State {
  constructor(about, calendar) {
    Object.assign(this, { about, calendar, listeners: [], troubles: [] });
    this.values = {};
    this.hidden = about.states.filter((each) => each.colour === "band").map((each) => each.show);
    this.read(asked());
    window.addEventListener("popstate", () => {
      if (whole()) return;
      this.read(asked());
      this.tell(Object.keys(this.values));
    });
  }

  get(name) {
    return this.values[name];
  }

  // Change some values; `step` makes it a step that the browser's Back button takes back.
  set(changes, step = false) {
    const changed = Object.keys(changes).filter(
      (name) => JSON.stringify(this.values[name]) !== JSON.stringify(changes[name]),
    );
    if (!changed.length) return;
    Object.assign(this.values, changes);
    if (!("i" in changes && changed.length === 1 && this.playing)) this.write(step);
    this.tell(changed);
  }

  listen(names, act) {
    this.listeners.push({ names, act });
  }

  tell(changed) {
    for (const { names, act } of this.listeners) {
      if (names.some((name) => changed.includes(name))) act(changed);
    }
  }

  // --- the address ------------------------------------------------------------------------------------

  read(search) {
    const { about, calendar } = this;
    const query = new URLSearchParams(search);
    const known = ["date", "unit", "show", "view", "map", "ties", "hide", "do", "base", "seed", "given"];
    this.troubles = [];
    for (const name of new Set(query.keys())) {
      if (!known.includes(name)) this.troubles.push(`The address names “${cut(name)}”, which this page does not know.`);
    }
    const one = (name, valid, otherwise) => {
      const text = query.get(name);
      if (text === null) return otherwise;
      if (valid.includes(text)) return text;
      this.troubles.push(`The address asks for the ${name} “${cut(text)}”, which is not there.`);
      return otherwise;
    };
    const many = (name, valid) =>
      (query.get(name) || "").split(",").filter((text) => valid.includes(text));
    const asked = query.get("date");
    let i = asked === null ? null : calendar.read(asked);
    if (asked !== null && i === null) {
      this.troubles.push(`“${cut(asked)}” is no date between ${calendar.words(calendar.number(0))} and ` +
        `${calendar.words(calendar.number(calendar.count - 1))}: write it as ${calendar.text(calendar.number(0))}.`);
    }
    const shows = about.states.map((each) => each.show);
    const seed = query.get("seed");
    let chosen = about.seed;
    if (seed !== null) {
      if (/^\d{1,10}$/.test(seed) && Number(seed) < 2 ** 32) chosen = Number(seed);
      else this.troubles.push(`The seed “${cut(seed)}” is no whole number below 4,294,967,296.`);
    }
    Object.assign(this.values, {
      i: i ?? this.opening(),
      unit: one("unit", about.units.map((each) => each.id), null),
      show: one("show", shows, about.wave),
      view: one("view", about.views, about.views[0] || null),
      map: one("map", MODES, null),
      ties: many("ties", ["sparks", ...about.layers.map((each) => each.name)]),
      hide: query.has("hide") ? many("hide", shows) : this.hidden,
      do: this.sentences(query.getAll("do")),
      base: this.sentences(query.getAll("base")),
      seed: chosen,
      given: about.ours ? one("given", ["history"], null) : null,
    });
    if (this.values.map === null) this.values.map = this.values.do.length ? "sides" : "record";
    return this.values;
  }

  sentences(texts) {
    const { sentences, letters } = this.about.limits;
    const kept = texts.filter((text) => text.trim() && text.length <= letters);
    if (kept.length < texts.length) this.troubles.push("A sentence of the address is empty or too long.");
    if (kept.length > sentences) this.troubles.push(`The address has more than ${sentences} sentences.`);
    return [...new Set(kept)].slice(0, sentences);
  }

  // Where nothing is asked for, the page opens at the height of the wave: in the quarter of a year (or the
  // fortieth part of the window) at whose end most units have lately come into its state.
  opening() {
    const { about, calendar } = this;
    const starts = Object.values(about.spells).flat()
      .filter(([show, start]) => show === about.wave && start > calendar.start).map(([, start]) => start);
    const late = calendar.clock === "day" ? 91 : (calendar.count * calendar.step) / 40;
    const lately = (t) => starts.filter((start) => start < t && start >= t - late).length;
    let best = 0, height = 0;
    for (const start of starts) {
      const i = calendar.index(start);
      const count = lately(calendar.instant(i));
      if (count > height || (count === height && i < best)) [best, height] = [i, count];
    }
    return best;
  }

  address() {
    const { about, calendar, values } = this;
    const query = new URLSearchParams();
    query.set("date", calendar.text(calendar.number(values.i)));
    if (values.unit) query.set("unit", values.unit);
    if (values.show !== about.wave) query.set("show", values.show);
    if (values.view && values.view !== about.views[0]) query.set("view", values.view);
    query.set("map", values.map);
    if (values.ties.length) query.set("ties", values.ties.join(","));
    if (String(values.hide) !== String(this.hidden)) query.set("hide", values.hide.join(",") || "none");
    for (const text of values.do) query.append("do", text);
    for (const text of values.base) query.append("base", text);
    if (values.given) query.set("given", values.given);
    if (values.seed !== about.seed) query.set("seed", values.seed);
    return `${fromFile() ? "#" : "?"}${query}`;
  }

  write(step) {
    if (whole()) return;
    // Browsers forbid more than some hundred changes of the address in a few seconds, so a drag writes its end.
    if (step) {
      clearTimeout(this.timer);
      window.history.pushState(null, "", this.address());
      return;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => window.history.replaceState(null, "", this.address()), 250);
  }
}

// A page opened from a file may not change its query, only what stands after the #.
function fromFile() {
  return window.location.protocol === "file:";
}

// In a document of many pages the address is that of a page, and what it asks comes from there.
function whole() {
  return Boolean(window.tocsinEdition?.whole);
}

function asked() {
  if (whole()) return window.tocsinEdition.asked || "";
  return fromFile() ? window.location.hash.slice(1) : window.location.search;
}

function cut(text) {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
