// The audit, and in the embedded stack the list of processes.

import { call, pressed, Refusal } from "./calls.js";
import { capital, element, say } from "./wording.js";

const SHOWN = 20;
const REFRESH_MS = 1_000;
const DUTIES = {
  "order-service": "choreographed: creates, confirms, cancels",
  "payment-service": "choreographed: charges and refunds",
  "inventory-service": "choreographed: reserves and releases",
  "shipping-service": "choreographed: schedules and cancels",
  "saga-worker": "orchestrated: runs the sagas and all their steps",
  "kafka-bridge": "signals settlements to the sagas, and events to the witnesses",
};

const note = (text, kind = "note") => element("p", { class: kind }, text);

export function offerAudit() {
  const panel = document.getElementById("audit");
  const result = panel.querySelector(".result");
  const button = panel.querySelector("button");
  button.addEventListener("click", () => pressed(button, panel.querySelector(".problem"), async () => {
    result.replaceChildren(note(say("Checking …")));
    try {
      result.replaceChildren(...verdict(await call("GET", "/audit")));
    } catch (refusal) {
      result.replaceChildren();
      throw refusal;
    }
  }));
}

function verdict(found) {
  const badge = found.ok ? element("span", { class: "badge ok" }, say("passed")) : element("span", { class: "badge broken" }, say("failed"));
  const counts = ` ${say("{checked} orders checked, {pending} of them pending.", { checked: found.orders_checked, pending: found.orders_pending })}`;
  const broken = found.broken.slice(0, SHOWN).map((each) => element("li", {}, `${each.order_id ?? say("stock")}: ${each.invariant}: ${each.detail}`));
  const more = found.broken.length - broken.length;
  if (more > 0) broken.push(element("li", {}, say("and {more} more", { more })));
  return [element("p", {}, badge, counts), ...(broken.length ? [element("ul", {}, ...broken)] : [])];
}

export function offerControls() {
  const panel = document.getElementById("controls");
  if (!panel) return;
  const list = panel.querySelector(".result");
  const problem = panel.querySelector(".problem");
  let refreshing;

  const show = async () => {
    clearTimeout(refreshing);
    let settled = false;
    try {
      const { processes } = await call("GET", "/controls");
      draw(processes);
      settled = processes.every((each) => each.state === "running" || each.state === "stopped");
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      problem.textContent = refusal.message;
    }
    if (!settled) refreshing = setTimeout(show, REFRESH_MS);
  };

  // Replace only the rows that changed, so that the keyboard focus stays where it is.
  const draw = (processes) => {
    const rows = new Map([...list.querySelectorAll("[data-name]")].map((row) => [row.dataset.name, row]));
    list.replaceChildren(...processes.map((each) => {
      const known = rows.get(each.name);
      return known?.dataset.state === each.state ? known : row(each);
    }));
  };

  const row = ({ name, state }) => {
    const title = element("div", {}, element("strong", {}, name), " ", element("span", { class: `badge ${state}` }, say(state)), note(say(DUTIES[name] ?? ""), "hint"));
    const actions = state === "stopped" ? ["start"] : state === "running" ? ["stop", "kill"] : [];
    const buttons = actions.map((action) => {
      const label = capital(say(action));
      const button = element("button", { type: "button", "aria-label": `${label} ${name}` }, label);
      button.addEventListener("click", () => pressed(button, problem, async () => {
        await call("POST", `/controls/${name}`, { action });
        await show();
      }));
      return button;
    });
    return element("li", { "data-name": name, "data-state": state }, title, element("div", { class: "buttons" }, ...buttons));
  };

  show();
}
