// The rows of a lane: how each step stands, how often it was tried, and what the last failed attempt ran into.

import { between, duration } from "./wording.js";

const MARKS = { pending: "·", running: "…", done: "✓", refused: "✗", waiting: "⧗", retrying: "↻", "left out": "–" };

// Without an order nothing is known of it yet.
export function drawSteps(article, steps, order = null) {
  const known = new Map(steps.map((step) => [step.name, step]));
  for (const row of article.querySelectorAll("[data-step]")) {
    const step = known.get(row.dataset.step) ?? { status: "pending", attempts: 0 };
    const state = order?.finished_at && step.status === "pending" ? "left out" : step.status;
    row.dataset.state = state;
    row.toggleAttribute("data-begun", known.has(row.dataset.step));
    row.querySelector(".mark").textContent = MARKS[state] ?? "?";
    row.querySelector(".how").textContent = order ? how(step, state, order) : "";
    row.querySelector(".error").textContent = state === "done" && step.attempts < 2 ? "" : (step.last_error ?? "");
  }
}

function how(step, state, order) {
  if (state === "pending") return "not begun";
  const attempts = step.attempts > 1 ? `, ${step.attempts} attempts` : "";
  const at = step.at ? ` +${duration(between(order.placed_at, step.at))}` : "";
  return `${state}${attempts}${at}`;
}
