// What can be taken away: the address, tables, the picture, and the same worlds in Python and on the command line.

import { SVG, h, svg, byId, fill, debounced } from "./dom.js";

const WAIT = 150; // milliseconds of rest before the address is written anew
const TABLES = [["differences", "place by place"], ["worlds", "shares of worlds, week by week"], ["curve", "the curve"], ["record", "what happened, with sources"]];

export class Take {
  constructor(state, data, maps) {
    Object.assign(this, { state, data, maps });
    this.address = h("input", { id: "address", type: "text", readonly: true, onfocus: (event) => event.target.select() });
    this.done = h("span", { role: "status", class: "small" });
    this.tables = h("ul", {});
    this.python = h("code", {});
    this.command = h("code", {});
    // A document of many pages has no address for each view, and no files beside it.
    const whole = Boolean(window.tocsinEdition?.whole);
    fill(byId("takelist"),
      !whole && [h("label", { for: "address" }, "This view, by its address"),
        h("div", { class: "row" }, this.address, h("button", { type: "button", id: "copy", onclick: () => this.copy(this.address.value) }, "Copy")),
        this.done, h("h3", {}, "Data"), this.tables],
      h("h3", {}, "Picture"),
      h("div", { class: "row" },
        h("button", { type: "button", id: "svg", onclick: () => this.picture("svg") }, "Map as SVG"),
        h("button", { type: "button", id: "png", onclick: () => this.picture("png") }, "Map as PNG")),
      h("details", {}, h("summary", {}, "The same in Python"), h("pre", { tabindex: "0", "aria-label": "Python" }, this.python)),
      h("details", {}, h("summary", {}, "The same on the command line"), h("pre", { tabindex: "0", "aria-label": "Command line" }, this.command)));
    const soon = debounced(WAIT, () => this.show());
    state.listen(Object.keys(state.values), () => { if (!state.playing) soon(); });
    state.listen(["paused"], () => this.show());
    // The tables at once: a link must not give the worlds that were asked for before.
    state.listen(["do", "base", "show", "seed", "given"], () => this.files());
    this.show();
    this.files();
  }

  show() {
    if (window.tocsinEdition?.whole) return;
    this.address.value = new URL(this.state.address(), window.location.href).href;
  }

  files() {
    const { state } = this;
    const asked = { do: state.get("do"), base: state.get("base"), show: state.get("show"), seed: state.get("seed") };
    fill(this.tables, TABLES.filter(([table]) => !state.get("given") || table === "record").map(([table, words]) => {
      const href = this.data.file({ ...asked, table });
      return href && h("li", {}, h("a", { href, download: `${table}.csv` }, `CSV: ${words}`));
    }));
  }

  code({ python, command }) {
    this.python.textContent = python;
    this.command.textContent = command;
  }

  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.done.textContent = "Copied.";
    } catch {
      this.address.focus();
      this.address.select();
      this.done.textContent = "Press Ctrl+C to copy.";
    }
  }

  // The map as it stands, with what it says and where it comes from; colours and type written into it.
  drawing() {
    const source = this.maps.find((each) => !each.svg.closest("[hidden]"));
    const { width, height } = source.outlines;
    const copy = source.svg.cloneNode();
    for (const sheet of source.sheets) copy.append(...sheet.cloneNode(true).childNodes);
    const from = source.sheets.flatMap((sheet) => [...sheet.querySelectorAll("*")]), to = copy.querySelectorAll("*");
    const names = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity", "paint-order", "font-family", "font-size", "stroke-linejoin"];
    from.forEach((element, n) => {
      const style = getComputedStyle(element);
      to[n].removeAttribute("style");
      for (const name of ["tabindex", "role", "data-unit", "class"]) to[n].removeAttribute(name);
      if (element.closest("defs") && !["rect", "circle"].includes(element.tagName)) return;
      for (const name of names) {
        const value = style.getPropertyValue(name);
        if (value) to[n].setAttribute(name, name === "fill" && value.includes("url(") ? `url(#${value.match(/#([\w-]+)/)[1]})` : value);
      }
    });
    const root = getComputedStyle(document.documentElement);
    const ink = root.getPropertyValue("--ink"), quiet = root.getPropertyValue("--quiet"), paper = root.getPropertyValue("--paper");
    const foot = [
      byId("finding").textContent, byId("mapnote").textContent,
      `${this.state.about.citation || this.state.about.title}. ${source.svg.parentElement.previousSibling.textContent}.`,
    ];
    copy.prepend(svg("rect", { x: 0, y: 0, width, height: height + 76, fill: paper.trim() }));
    foot.forEach((line, n) => {
      const attributes = { x: 12, y: height + 22 + 20 * n, "font-size": n ? 12 : 15, fill: (n ? quiet : ink).trim(), "font-family": root.getPropertyValue(n ? "--sans" : "--serif") };
      copy.append(svg("text", attributes, line.length > 150 ? `${line.slice(0, 149)}…` : line));
    });
    for (const name of ["class", "role", "aria-label"]) copy.removeAttribute(name);
    copy.setAttribute("xmlns", SVG);
    copy.setAttribute("viewBox", `0 0 ${width} ${height + 76}`);
    copy.setAttribute("width", width);
    copy.setAttribute("height", height + 76);
    return [new XMLSerializer().serializeToString(copy), width, height + 76];
  }

  async picture(kind) {
    const [text, width, height] = this.drawing();
    const { state } = this;
    const name = `tocsin-${state.about.name}-${state.calendar.text(state.calendar.number(state.get("i")))}`.replace(/[^\w-]/g, "-");
    let blob = new Blob([text], { type: "image/svg+xml" });
    if (kind === "png") {
      const image = new Image();
      const address = URL.createObjectURL(blob);
      try {
        await new Promise((done, failed) => { image.onload = done; image.onerror = failed; image.src = address; });
        const canvas = h("canvas", { width: 2 * width, height: 2 * height });
        canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
        blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
      } finally {
        URL.revokeObjectURL(address);
      }
    }
    const link = h("a", { href: URL.createObjectURL(blob), download: `${name}.${kind}` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}
