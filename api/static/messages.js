// A sequence diagram of the messages of one order, drawn from its events.

import { drawn, say, UNDOING, words } from "./wording.js";

const REACTIONS = JSON.parse(document.body.dataset.reactions);
const SERVICES = ["order-service", "payment-service", "inventory-service", "shipping-service"];
const SAGA = "saga";
const OWNERS = { order: 0, payment: 1, inventory: 2, shipping: 3 };
const WIDTH = 340, TOP = 26, ROW = 25, LETTER = 5.1;

export function diagram(order, events) {
  const orchestrated = order.style === "orchestrated";
  const rows = orchestrated ? commands(order, events) : messages(order, events);
  const participants = orchestrated ? [SAGA, ...SERVICES] : SERVICES;
  const at = (name) => ((participants.indexOf(name) + 0.5) * WIDTH) / participants.length;
  const height = TOP + rows.length * ROW + 8;
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": description(rows) });
  for (const name of participants) {
    svg.append(
      drawn("line", { class: "life", x1: at(name), x2: at(name), y1: 16, y2: height }),
      drawn("text", { class: "who", x: at(name), y: 11, "text-anchor": "middle" }, name.split("-")[0]),
    );
  }
  rows.forEach((row, index) => svg.append(line(row, at, TOP + (index + 0.75) * ROW)));
  return svg;
}

// A message goes from the service that recorded the event to each service that reacts to it; `caused_by` links the effect.
function messages(order, events) {
  return events.flatMap((event) => {
    const receivers = REACTIONS[event.type] ?? [];
    if (!receivers.length) return [{ label: event.type, from: event.service, to: event.service, ends: true }];
    return receivers.map((service) => {
      const answered = events.some((other) => other.caused_by === event.event_id && other.service === service);
      const state = answered ? "" : order.finished_at ? "unanswered" : "waits";
      return { label: event.type, from: event.service, to: service, state };
    });
  });
}

// The saga sends a command to one service and gets its event back: one row each, and one for each command in progress.
function commands(order, events) {
  const completed = events.map((event) =>
    event.type === "order.requested"
      ? { label: event.type, from: event.service, to: event.service, ends: true }
      : { label: event.type, from: SAGA, to: event.service, both: true },
  );
  const pending = order.steps
    .filter((step) => step.status === "running" || step.status === "retrying")
    .map((step) => ({ label: words(step.name), back: /^(cancel|release|refund)_/.test(step.name), from: SAGA, to: SERVICES[OWNERS[step.name.split("_")[1]]], state: "waits" }));
  return [...completed, ...(order.finished_at ? [] : pending)];
}

function line(row, at, y) {
  const back = row.back || UNDOING.has(row.label);
  const group = drawn("g", { class: `message ${row.state ?? ""} ${back ? "back" : ""}` });
  const [from, to] = [at(row.from), at(row.to)];
  if (row.ends) {
    group.append(drawn("circle", { class: "head", cx: from, cy: y, r: 3.5 }));
  } else if (from === to) {
    group.append(drawn("path", { class: "arrow", d: `M${from} ${y - 2} h14 v8 h-9` }), head(from, y + 6, -1));
  } else {
    const way = Math.sign(to - from);
    group.append(drawn("line", { class: "arrow", x1: from, x2: to - 4 * way, y1: y, y2: y }), head(to, y, way));
    if (row.both) group.append(head(from, y, -way));
  }
  group.append(label(row.label, (from + to) / 2, y - 7));
  return group;
}

function head(x, y, way) {
  return drawn("path", { class: "head", d: `M${x} ${y} l${-7 * way} -3.5 v7 z` });
}

function label(text, middle, y) {
  const half = (text.length * LETTER) / 2;
  const x = Math.min(Math.max(middle, half), WIDTH - half);
  return drawn("text", { x, y, "text-anchor": "middle" }, text);
}

function description(rows) {
  const waits = rows.filter((row) => row.state === "waits").map((row) => row.label);
  const count = say("Messages: {count}; the list of events is below", { count: rows.length });
  return waits.length ? `${count}. ${say("Not answered yet")}: ${waits.join(", ")}` : count;
}
