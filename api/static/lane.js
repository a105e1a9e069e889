// One lane: an order, followed live until its end, and what may be done to it meanwhile.

import { call, pressed } from "./calls.js";
import { redriveLettersOf } from "./dead-letters.js";
import { diagram } from "./messages.js";
import { drawSteps } from "./steps.js";
import { announce, between, capital, duration, element, money, UNDOING, words } from "./wording.js";

const WORKFLOWS = JSON.parse(document.body.dataset.workflows);
const COME_BACK_AFTER_MS = 2_000;

export class Lane {
  constructor(article, changed) {
    this.article = article;
    this.style = article.dataset.style;
    this.changed = changed;
    this.part = (selector) => article.querySelector(selector);
    this.nothing = this.part(".empty").textContent;
    for (const button of article.querySelectorAll("[data-act]")) {
      button.addEventListener("click", () => pressed(button, this.part(".problem"), () => this.act(button.dataset.act)));
    }
    setInterval(() => this.tick(), 100);
    document.addEventListener("visibilitychange", () => this.followOrRest());
  }

  watch(id) {
    this.leave();
    this.id = id;
    this.order = null;
    this.events = new Map();
    for (const part of [".problem", ".done", ".reason", ".total", ".tracking", ".elapsed"]) this.part(part).textContent = "";
    for (const part of [".facts", ".steps", ".acts", ".story"]) this.part(part).hidden = !id;
    this.part(".empty").hidden = Boolean(id);
    this.part(".empty").textContent = this.nothing;
    if (!id) return;
    this.part(".id").textContent = id;
    this.badge("pending");
    drawSteps(this.article, []);
    this.drawStory();
    this.offer();
    const workflow = WORKFLOWS[this.style];
    this.part(".temporal").hidden = !workflow;
    if (workflow) this.part(".temporal").href = workflow.replace("ORDER", encodeURIComponent(id));
    this.followOrRest();
  }

  get over() {
    return Boolean(this.order?.finished_at);
  }

  // A hidden tab keeps no connection: a browser has six for all tabs of one server.
  followOrRest() {
    if (!this.id || this.over) return;
    if (document.hidden) this.leave();
    else if (!this.source) this.follow();
  }

  follow() {
    this.connection("connecting …");
    this.source = new EventSource(`/orders/${this.id}/timeline?state=true`);
    this.source.onopen = () => this.connection("live");
    this.source.onmessage = (message) => this.heard(JSON.parse(message.data));
    this.source.addEventListener("order", (message) => this.stands(JSON.parse(message.data)));
    this.source.onerror = () => this.lost();
  }

  leave() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.returning);
  }

  // The browser comes back by itself, with the id of the last event; unless the server gave an answer that is no stream.
  lost() {
    this.connection("connection lost, coming back …", true);
    if (this.source?.readyState !== EventSource.CLOSED) return;
    this.leave();
    const id = this.id;
    this.returning = setTimeout(async () => {
      try {
        const order = await call("GET", `/orders/${id}`);
        if (id === this.id) this.stands(order);
      } catch (refusal) {
        if (id !== this.id) return;
        if (refusal.status === 404) return this.unknown(refusal);
      }
      if (id === this.id) this.followOrRest();
    }, COME_BACK_AFTER_MS);
  }

  unknown(refusal) {
    this.watch(null);
    this.part(".empty").textContent = refusal.message;
  }

  heard(event) {
    this.events.set(event.event_id, event);
    this.drawStory();
  }

  stands(order) {
    const before = this.order?.status;
    this.order = order;
    this.badge(order.status);
    this.part(".reason").textContent = this.over && order.reason ? capital(words(order.reason)) : (order.reason ?? "");
    this.part(".total").textContent = money(order.total);
    this.part(".tracking").textContent = order.shipping.tracking_number ?? "";
    drawSteps(this.article, order.steps, order);
    this.drawStory();
    this.offer();
    this.tick();
    if (order.status !== before && order.status !== "pending") {
      const took = order.finished_at ? ` after ${duration(between(order.placed_at, order.finished_at))}` : "";
      announce(`${capital(this.style)}: ${words(order.status)}${took}`);
    }
    if (this.over) this.settle();
    this.changed(this);
  }

  // What was recorded while the connection was away is told here, in its place.
  async settle() {
    this.leave();
    this.connection("");
    const id = this.id;
    const told = await call("GET", `/orders/${id}/timeline`).catch(() => null);
    if (!told || id !== this.id) return;
    this.events = new Map(told.events.map((event) => [event.event_id, event]));
    this.drawStory();
  }

  async act(what) {
    this.part(".done").textContent = "";
    const path = `/orders/${this.id}`;
    if (what === "cancel") await call("POST", `${path}/cancel`);
    if (what === "retry") await call("POST", `${path}/compensation/retry`);
    if (what === "settle") await call("POST", "/webhooks/payments", { order_id: this.id, status: "settled" });
    const redriven = what === "redrive" ? await redriveLettersOf(this.id) : 0;
    const said = { cancel: "Asked to cancel", retry: "Tried again", settle: "Paid", redrive: `Redriven: ${redriven}` };
    this.part(".done").textContent = said[what];
  }

  offer() {
    const status = this.order?.status;
    const open = { pending: true, needs_attention: true }[status] ?? false;
    const offered = {
      cancel: status === "pending",
      settle: open && this.order.payment.status === "pending",
      retry: status === "needs_attention",
      redrive: status === "needs_attention",
    };
    for (const button of this.article.querySelectorAll("[data-act]")) {
      if (button === document.activeElement && !offered[button.dataset.act]) this.article.focus();
      button.hidden = !offered[button.dataset.act];
    }
  }

  badge(status) {
    const badge = this.part(".status");
    badge.textContent = words(status);
    badge.className = `status badge ${status}`;
  }

  connection(text, lost = false) {
    this.part(".connection").textContent = text;
    this.part(".connection").classList.toggle("lost", lost);
  }

  drawStory() {
    const events = [...this.events.values()];
    this.part(".count").textContent = events.length;
    this.part(".messages").replaceChildren(...(this.order ? [diagram(this.order, events)] : []));
    this.part(".events").replaceChildren(...events.map((event) => this.told(event)));
  }

  told(event) {
    const cause = this.events.get(event.caused_by);
    const after = this.order ? ` +${duration(between(this.order.placed_at, event.at))}` : "";
    const why = [cause && `because of ${cause.type}`, event.data.reason && words(event.data.reason)].filter(Boolean);
    const text = `${event.type} by ${event.service}${after}${why.length ? ` (${why.join("; ")})` : ""}`;
    return element("li", UNDOING.has(event.type) ? { class: "back" } : {}, text);
  }

  tick() {
    if (!this.order) return;
    const end = this.order.finished_at ?? new Date().toISOString();
    this.part(".elapsed").textContent = duration(between(this.order.placed_at, end));
  }
}
