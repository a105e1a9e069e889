// Entry point of the page. The address contains the watched orders, so that a reload shows them again.

import { Lane } from "./lane.js";
import { OrderList } from "./orders.js";
import { offerDeadLetters } from "./dead-letters.js";
import { offerAudit, offerControls } from "./operations.js";
import { offerPlacing } from "./placing.js";
import { between, capital, duration, say, words } from "./wording.js";

const lanes = [...document.querySelectorAll(".lane")].map((article) => new Lane(article, changed));
const orders = new OrderList((ids) => { watch(ids); document.getElementById("watch").focus(); });

function watch(ids) {
  const address = new URLSearchParams(ids).toString();
  history.replaceState(null, "", address ? `?${address}` : location.pathname);
  for (const link of document.querySelectorAll("[data-language]")) {
    link.search = new URLSearchParams({ ...ids, language: link.dataset.language });
  }
  document.getElementById("comparison").hidden = true;
  for (const lane of lanes) lane.watch(ids[lane.style] ?? null);
}

function changed(lane) {
  alignCompensations();
  compare();
  if (lane.over) orders.show();
}

// A compensation that one order has begun gets a row in both lanes, so that the rows stay aligned.
function alignCompensations() {
  for (const row of document.querySelectorAll(".undo[data-step]")) {
    row.hidden = !document.querySelector(`[data-step="${row.dataset.step}"][data-begun]`);
  }
}

function compare() {
  const note = document.getElementById("comparison");
  const ended = lanes.filter((lane) => lane.over);
  note.hidden = ended.length < lanes.length;
  const took = ended.map(({ style, order }) =>
    `${say(style)} ${words(order.status)} ${say("after")} ${duration(between(order.placed_at, order.finished_at))}`);
  note.textContent = capital(`${took.join(", ")}.`);
}

offerPlacing((ids) => { watch(ids); orders.turnTo([""]); });
offerAudit();
offerDeadLetters();
offerControls();
orders.show();
const watched = new URLSearchParams(location.search);
const known = lanes.map((lane) => lane.style).filter((style) => watched.get(style));
watch(Object.fromEntries(known.map((style) => [style, watched.get(style)])));
