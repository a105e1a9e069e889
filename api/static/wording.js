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

export const words = (name) => name.replaceAll("_", " ");

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const shortId = (id) => id.slice(0, 8);

const MINOR_UNIT_DIGITS = JSON.parse(document.body.dataset.minorUnitDigits);

// The digits are ISO 4217's, by which the API counts minor units. The browser's own are for display: HUF has 0 there.
export function money(total) {
  if (!total) return "";
  const digits = MINOR_UNIT_DIGITS[total.currency];
  const options = { style: "currency", currency: total.currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat("en", options).format(total.amount / 10 ** digits);
}

export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
}

export const between = (from, to) => Date.parse(to) - Date.parse(from);

export const moment = (at) => new Date(at).toLocaleTimeString("en-GB");

export const attentionText = (attention) =>
  attention ? `${capital(words(attention.step))} fails since ${moment(attention.since)}: ${attention.error}` : "";

export const UNDOING = new Set([
  "order.cancellation_requested", "shipping.cancelled", "inventory.released", "payment.refunded", "order.cancelled",
]);

export function announce(text) {
  document.getElementById("news").textContent = text;
}
