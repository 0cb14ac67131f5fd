// One map: outlines drawn once for each cut of the borders; time changes fills, and only those of units that change.

import { fill, h, svg } from "./dom.js";

const FULL = 0.92; // opacity of a share of one
const STIPPLED = ["wave", "band", "unrest", "mutiny", "rising", "more", "less"];
let numbered = 0;

export class MapView {
  // `choose` is called with a unit that is clicked; `about` returns the words for a unit.
  constructor(holder, about, choose) {
    Object.assign(this, { about, choose, shapes: new Map(), looks: new Map(), key: null, number: ++numbered });
    this.tip = h("div", { class: "tip", hidden: true });
    // Four sheets, one over the other: only that with the fills is painted anew while time runs.
    this.svg = svg("svg", { class: "map", role: "group" });
    const still = () => svg("svg", { class: "sheet", "aria-hidden": "true" });
    [this.base, this.edges, this.top] = [still(), still(), still()];
    this.sheets = [this.base, this.svg, this.edges, this.top];
    holder.append(...this.sheets, this.tip);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.hush());
    this.svg.addEventListener("click", (event) => {
      const unit = event.target.dataset?.unit;
      if (unit) this.choose(unit);
    });
    this.svg.addEventListener("keydown", (event) => this.key_(event));
    this.svg.addEventListener("focusin", (event) => this.focus(event.target));
    this.svg.addEventListener("focusout", () => this.hush());
  }

  get drawn() {
    return [...this.shapes.keys()];
  }

  // Draw the outlines of a cut; `names` are the labels of units by name.
  draw(outlines, names, ringed) {
    const key = `${outlines.view}/${outlines.cut}`;
    if (key === this.key) return;
    const focused = document.activeElement?.dataset?.unit;
    this.key = key;
    this.outlines = outlines;
    const { width, height } = outlines;
    this.shapes = new Map();
    this.looks = new Map();
    const hatch = `hatch-${this.number}`, dots = `dots-${this.number}`;
    const ring = outlines.view === "world" ? 4.5 : 7;
    const ground = Object.values(outlines.units).join("");
    const order = Object.keys({ ...outlines.units, ...outlines.marks })
      .sort((a, b) => (names.get(a) || a).localeCompare(names.get(b) || b, "en"));
    const areas = svg("g", { class: "areas" }), marks = svg("g", { class: "marks" });
    for (const unit of order) {
      const mark = outlines.marks[unit];
      const shape = mark
        ? svg("circle", { cx: mark[0], cy: mark[1], r: ring })
        : svg("path", { d: outlines.units[unit] });
      shape.dataset.unit = unit;
      shape.setAttribute("role", "button");
      shape.setAttribute("tabindex", "-1");
      shape.setAttribute("aria-label", names.get(unit) || unit);
      shape.setAttribute("class", mark ? "unit ring" : "unit");
      (mark ? marks : areas).append(shape);
      this.shapes.set(unit, shape);
    }
    const lines = ["inner", "border", "coast"].filter((kind) => outlines.lines[kind])
      .map((kind) => svg("path", { class: `line ${kind}`, d: outlines.lines[kind] }));
    // Outlines that do not share their arcs have no lines of their own: their areas carry an edge.
    if (!lines.length) lines.push(svg("path", { class: "line border", d: ground }));
    this.arcs = svg("g", { class: "arcs" });
    this.labels = svg("g", { class: "labels" });
    this.chosen = svg("g", { class: "chosen" });
    for (const sheet of this.sheets) sheet.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.base.replaceChildren(svg("path", { class: "land", d: outlines.land }), svg("path", { class: "ground", d: ground }));
    this.edges.replaceChildren(...lines);
    this.top.replaceChildren(this.arcs, this.chosen, this.labels);
    this.svg.replaceChildren(
      svg("defs", {},
        svg("pattern", { id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
          svg("rect", { width: 2, height: 6, class: "hatchline" })),
        STIPPLED.map((name) => svg("pattern", { id: `${dots}-${name}`, width: 7, height: 7, patternUnits: "userSpaceOnUse" },
          svg("rect", { width: 7, height: 7, class: `pale s-${name}` }), svg("circle", { cx: 2, cy: 2, r: 1.1, class: "dot" })))),
      areas,
      marks,
    );
    this.patterns = { hatch: `url(#${hatch})`, dots: (name) => `url(#${dots}-${name})` };
    this.named = null;
    this.select(ringed);
    if (focused && this.shapes.has(focused) && this.svg.contains(document.activeElement) === false) {
      this.shapes.get(focused).focus({ preventScroll: true });
    }
  }

  // Show units as they are told: a map from unit to {colour, share, inked, vague, fallen, gone}.
  paint(looks) {
    for (const [unit, shape] of this.shapes) {
      const look = looks.get(unit);
      const plain = look
        ? `${look.colour}|${look.share.toFixed(3)}|${look.inked ? 1 : 0}${look.vague ? 1 : 0}${look.fallen ? 1 : 0}${look.gone ? 1 : 0}`
        : "";
      if (this.looks.get(unit) === plain) continue;
      this.looks.set(unit, plain);
      const style = shape.style;
      if (!look || (!look.share && !look.fallen)) style.fill = "transparent";
      else if (look.fallen) style.fill = this.patterns.hatch;
      else style.fill = look.vague ? this.patterns.dots(look.colour) : `var(--${look.colour})`;
      const share = Math.min(1, look?.share || 0);
      style.fillOpacity = !share || look.fallen ? 1 : look.vague ? 0.25 + 0.75 * share : FULL * share;
      shape.classList.toggle("inked", Boolean(look?.inked));
      shape.classList.toggle("gone", Boolean(look?.gone));
    }
  }

  // Write names in letters of one size on any screen: the units told, in their order, as far as there is room.
  name(texts) {
    const scale = this.svg.getScreenCTM()?.a || 1;
    const size = Math.round(120 / scale) / 10;
    const key = `${size} ${texts.map(([unit, text]) => `${unit}:${text}`).join("|")}`;
    if (key === this.named) return;
    this.named = key;
    const taken = [];
    const room = (box) => !taken.some((each) => box[0] < each[2] && each[0] < box[2] && box[1] < each[3] && each[1] < box[3]);
    this.labels.style.fontSize = `${size}px`;
    this.labels.style.strokeWidth = `${size / 4}px`;
    this.labels.replaceChildren(...texts.flatMap(([unit, text]) => {
      const spot = this.outlines.labels[unit] || [...(this.outlines.places[unit] || []), "center"];
      if (spot.length < 3) return [];
      const [x, y, align] = spot;
      const wide = 0.56 * size * text.length, high = 1.1 * size;
      const left = x - { center: wide / 2, left: 0, right: wide }[align];
      const box = [left, y - high / 2, left + wide, y + high / 2];
      if (!room(box)) return [];
      taken.push(box);
      const anchor = { center: "middle", left: "start", right: "end" }[align];
      return [svg("text", { x, y, "text-anchor": anchor, "dominant-baseline": "central" }, text)];
    }));
  }

  // Draw ties or arcs: a list of {from, to, width, colour, dashed}.
  link(links) {
    const { places } = this.outlines;
    this.arcs.replaceChildren(...links.flatMap(({ from, to, width, colour, dashed }) => {
      const [a, b] = [places[from], places[to]];
      if (!a || !b) return [];
      const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
      const bend = 0.16;
      const [cx, cy] = [(a[0] + b[0]) / 2 - bend * dy, (a[1] + b[1]) / 2 + bend * dx];
      const d = `M${a[0]} ${a[1]}Q${cx.toFixed(1)} ${cy.toFixed(1)} ${b[0]} ${b[1]}`;
      const path = svg("path", { d, class: dashed ? "tie dashed" : "tie" });
      path.style.stroke = `var(--${colour})`;
      path.style.strokeWidth = String(width);
      // A casing of paper keeps an arc apart from a ground of its own colour.
      const casing = svg("path", { d, class: "casing" });
      casing.style.strokeWidth = String(width + 2);
      return [casing, path, svg("circle", { cx: b[0], cy: b[1], r: 2.2, class: "end" })];
    }));
  }

  select(unit) {
    this.ringed = unit;
    for (const [name, shape] of this.shapes) shape.setAttribute("tabindex", "-1");
    const shape = this.shapes.get(unit) || this.shapes.values().next().value;
    shape?.setAttribute("tabindex", "0");
    this.chosen?.replaceChildren();
    if (!this.shapes.has(unit)) return;
    const copy = shape.cloneNode();
    for (const name of ["role", "tabindex", "aria-label", "style", "data-unit"]) copy.removeAttribute(name);
    copy.setAttribute("class", "around");
    this.chosen.append(copy);
  }

  // --- pointing and keys ----------------------------------------------------------------------------------

  point(event) {
    const unit = event.target.dataset?.unit;
    if (!unit) this.hush();
    else this.say(unit, event.clientX, event.clientY);
  }

  focus(target) {
    const unit = target.dataset?.unit;
    if (!unit) return;
    target.setAttribute("aria-label", this.about(unit).join(". "));
    const box = target.getBoundingClientRect(), around = this.svg.getBoundingClientRect();
    this.say(unit, Math.min(Math.max(box.x + box.width / 2, around.left), around.right),
      Math.min(Math.max(box.y + box.height / 2, around.top), around.bottom));
  }

  say(unit, x, y) {
    const around = this.svg.parentElement.getBoundingClientRect();
    const [head, ...rest] = this.about(unit);
    this.told = unit;
    this.tip.hidden = false;
    fill(this.tip, h("strong", {}, head), rest.map((line) => h("div", {}, line)));
    const left = Math.min(Math.max(4, x - around.left + 14), around.width - this.tip.offsetWidth - 4);
    const below = y - around.top + 16;
    const top = below + this.tip.offsetHeight > around.height ? y - around.top - this.tip.offsetHeight - 10 : below;
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${Math.max(0, top)}px`;
  }

  hush() {
    this.tip.hidden = true;
    this.told = null;
  }

  // While something is told about a unit, it stays true as time goes on.
  refresh() {
    if (!this.told || this.tip.hidden) return;
    const [head, ...rest] = this.about(this.told);
    this.tip.firstChild.textContent = head;
    rest.forEach((line, n) => {
      if (this.tip.children[n + 1]) this.tip.children[n + 1].textContent = line;
    });
    this.shapes.get(this.told)?.setAttribute("aria-label", [head, ...rest].join(". "));
  }

  key_(event) {
    const unit = event.target.dataset?.unit;
    if (!unit || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = this.drawn, place = all.indexOf(unit);
    let next = null;
    if (event.key === "ArrowDown") next = all[(place + 1) % all.length];
    else if (event.key === "ArrowUp") next = all[(place - 1 + all.length) % all.length];
    else if (event.key === "Enter") this.choose(unit);
    else if (event.key === "Escape") this.hush();
    else if (/^\p{L}$/u.test(event.key)) {
      const wanted = event.key.toLowerCase();
      const starts = (name) => this.about(name)[0].toLowerCase().startsWith(wanted);
      next = [...all.slice(place + 1), ...all.slice(0, place + 1)].find(starts) || null;
    } else return;
    event.preventDefault();
    if (!next) return;
    event.target.setAttribute("tabindex", "-1");
    const shape = this.shapes.get(next);
    shape.setAttribute("tabindex", "0");
    shape.focus({ preventScroll: true });
  }
}
