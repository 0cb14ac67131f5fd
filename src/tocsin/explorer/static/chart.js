// Vega charts: loaded when first needed, drawn in the colours of the page, without code made of text.

let loading = null;

function vega() {
  if (window.vegaEmbed) return Promise.resolve(window.vegaEmbed);
  if (window.tocsinEdition?.whole) return (loading = loading || window.tocsinEdition.vega());
  loading = loading || new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = window.tocsinEdition ? window.tocsinEdition.vega : "page/vega.js";
    script.onload = () => done(window.vegaEmbed);
    script.onerror = () => {
      loading = null;
      failed(new Error("The charts could not be loaded."));
    };
    document.head.append(script);
  });
  return loading;
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function config() {
  const sans = colour("sans");
  const text = { labelFont: sans, titleFont: sans, labelColor: colour("ink"), titleColor: colour("quiet") };
  return {
    background: "transparent",
    font: sans,
    view: { stroke: null },
    axis: {
      ...text, domainColor: colour("hairline"), gridColor: colour("hairline"), tickColor: colour("hairline"),
      labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
    },
    legend: { ...text, labelFontSize: 12, titleFontSize: 12, symbolType: "square", orient: "top", title: null },
  };
}

// Draw a specification; returns the view, or null where the element has gone or shows another one by now.
export async function drawn(element, spec, description) {
  const turn = Symbol("turn");
  element.turn = turn;
  const embed = await vega();
  if (element.turn !== turn || !element.isConnected) return null;
  const width = Math.max(180, element.clientWidth);
  element.view?.finalize();
  const result = await embed(element, { ...spec, description, width, autosize: { type: "fit-x", contains: "padding" }, config: config() }, {
    actions: false, ast: true, renderer: "svg", tooltip: false, defaultStyle: false, mode: "vega-lite",
  });
  if (element.turn !== turn) {
    result.finalize();
    return null;
  }
  element.view = result;
  const picture = element.querySelector("svg");
  picture?.setAttribute("role", "img");
  picture?.setAttribute("aria-label", description);
  // One picture, one text: the marks inside are not to be read out one by one.
  picture?.querySelectorAll("[role], [aria-label], [aria-roledescription], [tabindex]").forEach((part) => {
    for (const name of ["role", "aria-label", "aria-roledescription", "aria-hidden", "tabindex"]) part.removeAttribute(name);
  });
  element.removeAttribute("role");
  element.removeAttribute("aria-label");
  return result.view;
}
