// Elements made of data: text is always set as text, so nothing that a person writes can become markup.

export const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

export function byId(id) {
  return document.getElementById(id);
}

export function fill(element, ...children) {
  element.replaceChildren();
  return filled(element, {}, children);
}

// Only addresses of the web become links; anything else that a source says stays text.
export function linked(text) {
  return /^https?:\/\/\S+$/i.test(text)
    ? h("a", { href: text, rel: "noopener noreferrer", target: "_blank" }, readable(text))
    : text;
}

// An address as people read it: without its scheme, its letters plain.
function readable(address) {
  const bare = address.replace(/^https?:\/\/(www\.)?/i, "").replace(/\/$/, "");
  try {
    return decodeURI(bare);
  } catch {
    return bare;
  }
}

export function debounced(wait, act) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...given), wait);
  };
}

// Follow a pointer from where it is pressed until it is let go.
export function dragged(event, move) {
  if (event.button) return;
  const acts = { pointermove: move, pointerup: stop, pointercancel: stop };
  function stop() {
    for (const [name, act] of Object.entries(acts)) window.removeEventListener(name, act);
  }
  for (const [name, act] of Object.entries(acts)) window.addEventListener(name, act);
  move(event);
}
