// One lane: follows an order live until it is finished, and offers the actions that its status allows.

import { call, pressed } from "./calls.js";
import { redriveLettersOf } from "./dead-letters.js";
import { diagram } from "./messages.js";
import { drawSteps } from "./steps.js";
import { announce, attentionText, between, capital, duration, element, money, say, UNDOING, words } from "./wording.js";

const WORKFLOWS = JSON.parse(document.body.dataset.workflows);
const TRACE_UI = document.body.dataset.traceUi;
const RECONNECT_MS = 2_000;

export class Lane {
  constructor(article, changed) {
    this.article = article;
    this.style = article.dataset.style;
    this.changed = changed;
    this.part = (selector) => article.querySelector(selector);
    this.emptyText = this.part(".empty").textContent;
    for (const button of article.querySelectorAll("[data-act]")) {
      button.addEventListener("click", () => pressed(button, this.part(".problem"), () => this.act(button.dataset.act)));
    }
    setInterval(() => this.tick(), 100);
    document.addEventListener("visibilitychange", () => this.followOrPause());
  }

  watch(id) {
    this.leave();
    this.id = id;
    this.order = null;
    this.events = new Map();
    for (const part of [".problem", ".done", ".reason", ".attention", ".total", ".tracking", ".elapsed"]) this.part(part).textContent = "";
    for (const part of [".facts", ".steps", ".acts", ".story"]) this.part(part).hidden = !id;
    this.showTrace(null);
    this.part(".empty").hidden = Boolean(id);
    this.part(".empty").textContent = this.emptyText;
    if (!id) return;
    this.part(".id").textContent = id;
    this.badge("pending");
    drawSteps(this.article, []);
    this.drawEvents();
    this.offer();
    const workflow = WORKFLOWS[this.style];
    this.part(".temporal").hidden = !workflow;
    if (workflow) this.part(".temporal").href = workflow.replace("ORDER", encodeURIComponent(id));
    this.followOrPause();
  }

  get over() {
    return Boolean(this.order?.finished_at);
  }

  // A hidden tab closes its connection: a browser has six connections per server, for all tabs together.
  followOrPause() {
    if (!this.id || this.over) return;
    if (document.hidden) this.leave();
    else if (!this.source) this.follow();
  }

  follow() {
    this.connection(say("connecting …"));
    this.source = new EventSource(`/orders/${this.id}/timeline?state=true`);
    this.source.onopen = () => this.connection(say("live"));
    this.source.onmessage = (message) => this.addEvent(JSON.parse(message.data));
    this.source.addEventListener("order", (message) => this.showOrder(JSON.parse(message.data)));
    this.source.onerror = () => this.lost();
  }

  leave() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.reconnecting);
  }

  // The browser reconnects by itself and sends the id of the last event, unless the server's answer was not a stream.
  lost() {
    this.connection(say("connection lost, reconnecting …"), true);
    if (this.source?.readyState !== EventSource.CLOSED) return;
    this.leave();
    const id = this.id;
    this.reconnecting = setTimeout(async () => {
      try {
        const order = await call("GET", `/orders/${id}`);
        if (id === this.id) this.showOrder(order);
      } catch (refusal) {
        if (id !== this.id) return;
        if (refusal.status === 404) return this.unknown(refusal);
      }
      if (id === this.id) this.followOrPause();
    }, RECONNECT_MS);
  }

  unknown(refusal) {
    this.watch(null);
    this.part(".empty").textContent = refusal.message;
  }

  addEvent(event) {
    this.events.set(event.event_id, event);
    this.drawEvents();
  }

  showOrder(order) {
    const before = this.order?.status;
    this.order = order;
    this.badge(order.status);
    this.part(".reason").textContent = capital(words(order.reason ?? ""));
    this.part(".attention").textContent = attentionText(order.attention);
    this.part(".total").textContent = money(order.total);
    this.part(".tracking").textContent = order.shipping.tracking_number ?? "";
    this.showTrace(order.trace_id);
    drawSteps(this.article, order.steps, order);
    this.drawEvents();
    this.offer();
    this.tick();
    if (order.status !== before && order.status !== "pending") {
      const took = order.finished_at ? ` ${say("after")} ${duration(between(order.placed_at, order.finished_at))}` : "";
      announce(`${capital(say(this.style))}: ${words(order.status)}${took}`);
    }
    if (this.over) this.settle();
    this.changed(this);
  }

  // The stream sends a late event at the end. The whole timeline has it in its place.
  async settle() {
    this.leave();
    this.connection("");
    const id = this.id;
    const timeline = await call("GET", `/orders/${id}/timeline`).catch(() => null);
    if (!timeline || id !== this.id) return;
    this.events = new Map(timeline.events.map((event) => [event.event_id, event]));
    this.drawEvents();
  }

  async act(action) {
    this.part(".done").textContent = "";
    const path = `/orders/${this.id}`;
    if (action === "cancel") await call("POST", `${path}/cancel`);
    if (action === "retry") await call("POST", `${path}/compensation/retry`);
    if (action === "repair") await call("POST", `${path}/repair`);
    if (action === "settle") await call("POST", `${path}/payment/settle`);
    const redriven = action === "redrive" ? await redriveLettersOf(this.id) : 0;
    const results = {
      cancel: say("Cancellation requested"), retry: say("Retry requested"), repair: say("Repair requested"),
      settle: say("Payment settled"), redrive: `${say("Redriven")}: ${redriven}`,
    };
    this.part(".done").textContent = results[action];
  }

  offer() {
    const status = this.order?.status;
    const open = { pending: true, needs_attention: true }[status] ?? false;
    const offered = {
      cancel: status === "pending",
      settle: open && this.order.payment.status === "pending",
      retry: status === "needs_attention",
      repair: status === "needs_attention",
      redrive: status === "needs_attention",
    };
    for (const button of this.article.querySelectorAll("[data-act]")) {
      if (button === document.activeElement && !offered[button.dataset.act]) this.article.focus();
      button.hidden = !offered[button.dataset.act];
    }
  }

  // Without traces, and before the order's first state, nothing is shown.
  showTrace(id) {
    this.part(".trace").hidden = !id;
    this.part(".trace-id").textContent = id ?? "";
    if (id && TRACE_UI) this.part(".trace a").href = TRACE_UI.replace("{trace_id}", encodeURIComponent(id));
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

  drawEvents() {
    const events = [...this.events.values()];
    this.part(".count").textContent = events.length;
    this.part(".messages").replaceChildren(...(this.order ? [diagram(this.order, events)] : []));
    this.part(".events").replaceChildren(...events.map((event) => this.eventItem(event)));
  }

  eventItem(event) {
    const cause = this.events.get(event.caused_by);
    const after = this.order ? ` +${duration(between(this.order.placed_at, event.at))}` : "";
    const why = [cause && say("caused by {event}", { event: cause.type }), event.data.reason && words(event.data.reason)].filter(Boolean);
    const text = `${say("{event} by {service}", { event: event.type, service: event.service })}${after}${why.length ? ` (${why.join("; ")})` : ""}`;
    return element("li", UNDOING.has(event.type) ? { class: "back" } : {}, text);
  }

  tick() {
    if (!this.order) return;
    const end = this.order.finished_at ?? new Date().toISOString();
    this.part(".elapsed").textContent = duration(between(this.order.placed_at, end));
  }
}
