// The table of differences, sorted by any of its columns.

import { h, byId, fill } from "./dom.js";
import { hundred, signed } from "./words.js";

export class Table {
  constructor(state, looks) {
    Object.assign(this, { state, looks, order: ["difference", -1], rows: [], difference: null });
  }

  show(difference) {
    this.difference = difference;
    this.draw();
  }

  columns() {
    const { difference } = this;
    const changed = difference.do.length > 0 || difference.base.length > 0;
    const three = (row, name) => `${hundred(row[name][0])}`;
    const range = (row, name) => `${hundred(row[name][1])} to ${hundred(row[name][2])}`;
    const all = [
      ["unit", "Place", (row) => this.looks.name(row.unit), (row) => this.looks.name(row.unit)],
      ["observed", "In the record", (row) => (row.observed ? "yes" : "no"), (row) => (row.observed ? 0 : 1)],
      ["base", changed ? (difference.base.length ? "Compared with" : "Nothing changed") : "Worlds of 100", (row) => three(row, "base"), (row) => row.base[0], (row) => range(row, "base")],
    ];
    if (changed) {
      all.push(["changed", "With the change", (row) => three(row, "changed"), (row) => row.changed[0], (row) => range(row, "changed")]);
      all.push(["difference", "Difference", (row) => signed(round(row.difference[0])), (row) => row.difference[0],
        (row) => `${signed(round(row.difference[1]))} to ${signed(round(row.difference[2]))}`]);
    }
    return all;
  }

  draw() {
    const { difference } = this;
    const words = this.looks.states.get(difference.show);
    const columns = this.columns();
    let [by, way] = this.order;
    const chosen = columns.find(([name]) => name === by) || columns.find(([name]) => name === "base");
    by = chosen[0];
    const value = by === "difference" ? (row) => Math.abs(chosen[3](row)) : chosen[3];
    const rows = [...difference.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return way * (typeof x === "string" ? x.localeCompare(y, "en") : x - y) || a.unit.localeCompare(b.unit);
    });
    const head = columns.map(([name, text]) => h("th", { scope: "col", class: name === "unit" || name === "observed" ? "" : "n", "aria-sort": name === by ? (way > 0 ? "ascending" : "descending") : null },
      h("button", { type: "button", class: "sort", onclick: () => this.sort(name) }, text, name === by && h("span", { "aria-hidden": "true" }, way > 0 ? " ↑" : " ↓"))));
    fill(byId("table"),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table, place by place" },
        h("table", {},
          h("caption", {}, `Worlds of 100 in which a place ${words.comes}, ${difference.given ? "our own world with and without the change; ranges: over the ways in which luck may carry over" : "with 95% intervals"}; ${difference.doubt[0].replace(/\.$/, "")} (${difference.worlds.toLocaleString("en")} worlds, seed ${difference.seed})`),
          h("thead", {}, h("tr", {}, head)),
          h("tbody", {}, rows.map((row) => h("tr", { class: row.unit === this.state.get("unit") ? "here" : null },
            columns.map(([name, , text, , range]) => (name === "unit"
              ? h("th", { scope: "row" }, h("button", { type: "button", class: "link", onclick: () => this.state.set({ unit: row.unit }, true) }, text(row)))
              : h("td", { class: name === "observed" ? "" : "n" }, text(row), range && h("span", { class: "range" }, ` ${range(row)}`))))))))));
  }

  sort(name) {
    const [by, way] = this.order;
    this.order = [name, by === name ? -way : name === "unit" || name === "observed" ? 1 : -1];
    this.draw();
    const place = this.columns().findIndex(([each]) => each === name);
    byId("table").querySelectorAll("th[scope=col] button")[place]?.focus();
  }
}

function round(share) {
  return Math.round(1000 * share) / 10;
}
