// The list of orders: filtered and paged, newest first.

import { call, Refusal } from "./calls.js";
import { attentionText, element, moment, money, say, shortId, words } from "./wording.js";

const PAGE = 10;
const COLUMNS = ["Order", "Style", "Status", "Reason", "Attention", "Total", "Placed"];

export class OrderList {
  constructor(watch) {
    this.watch = watch;
    this.place = document.getElementById("orders");
    this.filters = document.getElementById("filters");
    this.newer = document.getElementById("newer");
    this.older = document.getElementById("older");
    this.cursors = [""];
    this.filters.addEventListener("change", () => this.turnTo([""]));
    this.filters.addEventListener("submit", (submit) => submit.preventDefault());
    document.getElementById("refresh").addEventListener("click", () => this.turnTo([""]));
    this.newer.addEventListener("click", () => this.cursors.length > 1 && this.turnTo(this.cursors.slice(0, -1)));
    this.older.addEventListener("click", () => this.following && this.turnTo([...this.cursors, this.following]));
  }

  turnTo(cursors) {
    this.cursors = cursors;
    return this.show();
  }

  // Ignore the answer of an earlier call that arrives after a later call has begun.
  async show() {
    const asked = (this.asked = new URLSearchParams({ limit: PAGE }));
    for (const name of ["style", "status"]) if (this.filters.elements[name].value) asked.set(name, this.filters.elements[name].value);
    if (this.cursors.at(-1)) asked.set("cursor", this.cursors.at(-1));
    this.place.setAttribute("aria-busy", "true");
    try {
      const page = await call("GET", `/orders?${asked}`);
      if (asked !== this.asked) return;
      this.following = page.next_cursor;
      this.draw(page.items.length ? this.table(page.items) : nothing(asked));
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (asked !== this.asked) return;
      this.following = null;
      this.place.replaceChildren(element("p", { class: "problem" }, `${say("The orders could not be loaded.")} ${refusal.message}`));
    }
    this.place.setAttribute("aria-busy", "false");
    this.newer.setAttribute("aria-disabled", this.cursors.length === 1);
    this.older.setAttribute("aria-disabled", !this.following);
  }

  // Keep the keyboard focus on the same order.
  draw(shown) {
    const focused = this.place.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    this.place.replaceChildren(shown);
    if (focused) this.place.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  }

  table(orders) {
    const head = element("thead", {}, element("tr", {}, ...COLUMNS.map((name) => element("th", { scope: "col" }, say(name)))));
    const caption = element("caption", {}, say("Page {number}", { number: this.cursors.length }));
    return element("table", {}, caption, head, element("tbody", {}, ...orders.map((order) => this.row(order))));
  }

  row(order) {
    const watch = element("button", { class: "link", type: "button", "aria-label": say("Watch order {order}", { order: order.order_id }) }, shortId(order.order_id));
    watch.addEventListener("click", () => this.watch({ [order.style]: order.order_id }));
    const status = element("span", { class: `badge ${order.status}` }, words(order.status));
    const cells = [watch, say(order.style), status, words(order.reason ?? ""), attentionText(order.attention), money(order.total), moment(order.placed_at)];
    return element("tr", {}, ...cells.map((cell, at) => element("td", { "data-label": say(COLUMNS[at]) }, ...(cell ? [cell] : []))));
  }
}

function nothing(asked) {
  const filtered = asked.has("style") || asked.has("status");
  return element("p", { class: "note" }, filtered ? say("No order matches the filters.") : say("No orders yet. Place the first one above."));
}
