// The class edition in one file: shows one page at a time, follows links between them, and opens what is kept inside.
// It may stand in a frame in which neither storage, nor history, nor the address may be touched: none is relied on.
"use strict";
(() => {
  const { body } = document;
  const opened = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const store = {};
  for (const [address, text] of Object.entries(JSON.parse(document.getElementById("answers").textContent))) {
    let answer = null;
    Object.defineProperty(store, address, { enumerable: true, get: () => (answer = answer || opened(text).then(JSON.parse)) });
  }
  const vega = async () => {
    const script = document.createElement("script");
    script.textContent = await opened(document.getElementById("vega").textContent);
    document.head.append(script);
    return window.vegaEmbed;
  };
  window.tocsinEdition = { store, files: {}, whole: true, vega };

  const texts = new Map([...document.querySelectorAll("[data-page]")].map((page) => [page.dataset.page, page]));
  const steps = new Map([...document.querySelectorAll("template[data-step]")].map((step) => [step.dataset.step, step]));
  const map = document.querySelector("[data-map]");
  const styles = { text: document.getElementById("style-text"), map: document.getElementById("style-map") };
  const links = [...document.querySelectorAll("nav.site a")];
  let begun = null;
  let wanted = 0;

  // The page that a name stands for: its own, or that which holds the part of this name.
  const found = (name) => (texts.has(name) || steps.has(name) ? name : document.getElementById(name)?.closest("[data-page]")?.dataset.page);

  const title = (page) => { document.title = `${page.dataset.title} · ${body.dataset.site}`; };

  async function showStep(name, query) {
    const turn = ++wanted;
    const step = steps.get(name);
    const [head, panel] = step.content.cloneNode(true).children;
    document.getElementById("told-head").replaceChildren(...head.childNodes);
    document.getElementById("told-panel").replaceChildren(...panel.childNodes);
    document.querySelector("header.top .over").textContent = step.dataset.over;
    body.dataset.start = step.dataset.start;
    const first = !begun;
    // The map is made when it is first looked at: hidden, it has no width.
    window.tocsinEdition.asked = query || step.dataset.start;
    begun = begun || window.tocsinBegin();
    const page = await begun;
    title(step);
    if (turn !== wanted || !page) return;
    if (!first) page.visit(window.tocsinEdition.asked);
    window.tocsinClass(page);
  }

  function show(name, { query = "", part = "" } = {}) {
    const step = steps.has(name);
    for (const [key, page] of texts) page.hidden = key !== name;
    map.hidden = !step;
    styles.text.media = step ? "not all" : "all";
    styles.map.media = step ? "all" : "not all";
    for (const link of links) {
      const to = link.hash.slice(1);
      const here = to === name || (to.startsWith("tour-") && name.startsWith("tour-"));
      if (here) link.setAttribute("aria-current", to === name ? "page" : "true");
      else link.removeAttribute("aria-current");
    }
    if (step) showStep(name, query);
    else {
      wanted++;
      window.tocsinPage?.time.pause();
      title(texts.get(name));
    }
    const at = part && document.getElementById(part);
    if (at) at.scrollIntoView();
    else window.scrollTo(0, 0);
  }

  function go(target, query, note = true) {
    const name = found(target);
    if (!name) return false;
    show(name, { query, part: name === target ? "" : target });
    if (note) {
      try {
        window.history.pushState({ target, query }, "", `#${target}`);
      } catch { /* A frame may have no address: there is no Back then, but everything else. */ }
      // Whoever reads with the ears is at the head of the new page.
      const head = [...document.querySelectorAll("h1, #step-title")].find((each) => each.offsetParent);
      head?.setAttribute("tabindex", "-1");
      if (name === target) head?.focus({ preventScroll: true });
    }
    return true;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const target = link.getAttribute("href").slice(1);
    if (go(target, link.dataset.query || "")) event.preventDefault();
    else if (link.classList.contains("skip")) {
      event.preventDefault();
      const at = document.getElementById(target);
      at?.focus();
      at?.scrollIntoView();
    }
  });
  window.addEventListener("popstate", (event) => {
    const target = event.state?.target || window.location.hash.slice(1);
    go(target, event.state?.query || "", false) || go(texts.keys().next().value, "", false);
  });
  window.tocsinRoute = () => go(window.location.hash.slice(1).split("?")[0], window.location.hash.split("?")[1] || "", false)
    || go(texts.keys().next().value, "", false);
})();
