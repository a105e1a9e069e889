// The step rows of a lane: the status, the attempts, and the error of the last failed attempt.

import { between, duration, say, words } from "./wording.js";

const MARKS = { pending: "·", running: "…", done: "✓", refused: "✗", waiting: "⧗", retrying: "↻", "left out": "–" };

// `order` is null until its first state arrives.
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
  if (state === "pending") return say("not begun");
  const attempts = step.attempts > 1 ? `, ${step.attempts} ${say("attempts")}` : "";
  const at = step.at ? ` +${duration(between(order.placed_at, step.at))}` : "";
  return `${words(state)}${attempts}${at}`;
}
