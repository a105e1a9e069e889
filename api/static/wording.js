// Creates elements, and formats values as text. Text is added as text nodes, never parsed as markup.

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const TEXTS = new Map(Object.entries(JSON.parse(document.body.dataset.texts)));
const LANGUAGE = document.documentElement.lang;

// The English text in the language of the page, with `{name}` replaced by the value of that name.
export const say = (text, values = {}) => (TEXTS.get(text) ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

export const words = (name) => say(name.replaceAll("_", " "));

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const shortId = (id) => id.slice(0, 8);

const MINOR_UNIT_DIGITS = JSON.parse(document.body.dataset.minorUnitDigits);

// The digits are ISO 4217's, by which the API counts minor units. The browser's own are for display: HUF has 0 there.
export function money(total) {
  if (!total) return "";
  const digits = MINOR_UNIT_DIGITS[total.currency];
  const options = { style: "currency", currency: total.currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(LANGUAGE, options).format(total.amount / 10 ** digits);
}

export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 60) return `${decimal(seconds, seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
}

function decimal(number, digits) {
  return number.toLocaleString(LANGUAGE, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export const between = (from, to) => Date.parse(to) - Date.parse(from);

export const moment = (at) => new Date(at).toLocaleTimeString(LANGUAGE, { hourCycle: "h23" });

export const attentionText = (attention) =>
  attention ? say("{step} fails since {time}", { step: capital(words(attention.step)), time: moment(attention.since) }) + `: ${attention.error}` : "";

export const UNDOING = new Set([
  "order.cancellation_requested", "shipping.cancelled", "inventory.released", "payment.refunded", "order.cancelled",
]);

export function announce(text) {
  document.getElementById("news").textContent = text;
}
