// What is laid over the map: states of the record, and the ties of layers; a layer can also be taken out of the worlds.

import { debounced, h, byId, fill } from "./dom.js";

const MOST = 160; // ties drawn at once
const ARCS = 20; // arcs of influence drawn at once, the strongest
const LATELY = 91; // days for which an arc stays
export const SPARKS = "sparks"; // what stands in the list of layers for them

export class Layers {
  constructor(state, data, builder) {
    Object.assign(this, { state, data, builder, ties: null, wanted: null });
    const { about } = state;
    const box = (name, value, words, extra) => h("li", {}, h("label", {},
      h("input", {
        type: "checkbox", name, value,
        checked: name === "ties" ? state.get("ties").includes(value) : !state.get("hide").includes(value),
        onchange: (event) => this.toggle(name, value, event.target.checked),
      }), extra, " ", words));
    this.taken = new Map();
    this.numbers = new Map();
    fill(byId("layerlist"),
      h("fieldset", {}, h("legend", {}, "States in the record"),
        h("ul", { class: "checks" }, about.states.map((each) => box("state", each.show, each.many, h("span", { class: `swatch s-${each.colour}` }))))),
      h("fieldset", {}, h("legend", {}, "Influence, by the model"),
        h("ul", { class: "checks wide" }, box("ties", SPARKS, `who set off whom, lately: the ${ARCS} strongest arcs`))),
      h("fieldset", {}, h("legend", {}, "Ties, as they stand on the day"),
        h("ul", { class: "checks wide" }, about.layers.filter((each) => each.ties).map((each) => {
          const number = h("span", {}, `(${each.ties} in all)`);
          this.numbers.set(each.name, number);
          const item = box("ties", each.name, [`${each.words} `, number]);
          if (each.used && data.free) {
            const { say } = each;
            const button = h("button", {
              type: "button", class: "small link", "aria-label": `What would have happened without ${each.words}?`,
              onclick: () => {
                const now = state.get("do");
                if (now.includes(say)) state.set({ do: now.filter((text) => text !== say) }, true);
                else builder.add(say);
              },
            });
            this.taken.set(say, button);
            item.append(" ", button);
          }
          return item;
        }))));
    state.listen(["do"], () => this.mark());
    const soon = debounced(200, () => this.count());
    state.listen(["i", "paused"], () => { if (!state.playing) soon(); });
    state.listen(["ties", "hide"], () => this.follow());
    this.mark();
  }

  mark() {
    for (const [say, button] of this.taken) {
      button.textContent = this.state.get("do").includes(say) ? "put back" : "what if not?";
    }
  }

  // How many ties of each layer are in force on the day.
  async count() {
    this.ties = this.ties || (await this.data.ask("ties"));
    const t = this.state.calendar.instant(this.state.get("i"));
    for (const [name, number] of this.numbers) {
      const there = this.ties.layers[name].filter(([, , , start, end]) => start < t && t <= end).length;
      number.textContent = `(${there || "none"} in force)`;
    }
  }

  follow() {
    for (const input of byId("layerlist").querySelectorAll("input")) {
      input.checked = input.name === "ties" ? this.state.get("ties").includes(input.value) : !this.state.get("hide").includes(input.value);
    }
  }

  toggle(name, value, on) {
    const field = name === "ties" ? "ties" : "hide";
    const put = name === "ties" ? on : !on;
    const now = this.state.get(field).filter((each) => each !== value);
    this.state.set({ [field]: put ? [...now, value] : now });
  }

  // Arcs from who set off to who was set off, in the states that are shown: the wider the likelier.
  sparks(t) {
    const late = this.state.calendar.clock === "day" ? LATELY : (this.state.calendar.count * this.state.calendar.step) / 20;
    const hidden = this.state.get("hide");
    return this.ties.sparks
      .filter(([time, , , show]) => time < t && time >= t - late && !hidden.includes(show))
      .sort((a, b) => b[4] - a[4]).slice(0, ARCS)
      .map(([, source, unit, show, share]) => ({
        from: this.ties.units[source], to: this.ties.units[unit], width: 0.8 + 4 * share,
        colour: this.state.about.states.find((each) => each.show === show).own,
      }));
  }

  // The ties in force at a moment, in the layers that are switched on, the weightiest first.
  async links(i) {
    const layers = this.state.get("ties");
    if (!layers.length) return [];
    this.ties = this.ties || (await this.data.ask("ties"));
    const t = this.state.calendar.instant(i);
    const hues = ["less", "rising", "mutiny", "wave", "more", "unrest", "quiet"];
    const found = [];
    layers.forEach((layer, n) => {
      const place = this.state.about.layers.findIndex((each) => each.name === layer);
      for (const [source, target, weight, start, end] of this.ties.layers[layer] || []) {
        if (start < t && t <= end) {
          found.push({ from: this.ties.units[source], to: this.ties.units[target], weight, colour: hues[place % hues.length], dashed: n % 2 === 1 });
        }
      }
    });
    const most = Math.max(...found.map((each) => each.weight), 1e-9);
    const ties = found.sort((a, b) => b.weight - a.weight).slice(0, MOST)
      .map((each) => ({ ...each, width: 0.6 + 1.8 * Math.sqrt(each.weight / most) }));
    return layers.includes(SPARKS) ? [...ties, ...this.sparks(t)] : ties;
  }
}
