// The dead letters: looked at, and sent to their topics again. The API reads a bounded number of them at a time.

import { call, pressed, Refusal } from "./calls.js";
import { element, shortId } from "./wording.js";

const SHOWN = 20;
const ROUNDS = 50;

// Returns how many were sent, and whether there may be more.
export async function redrive(which) {
  let sent = 0, cursor = null;
  for (let round = 0; round < ROUNDS; round += 1) {
    const answer = await call("POST", "/dead-letters/redrive", cursor ? { ...which, cursor } : which);
    sent += answer.redriven;
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return { sent, more: Boolean(cursor) };
}

async function firstLetters() {
  const letters = [];
  let cursor = null;
  for (let round = 0; round < ROUNDS && letters.length < SHOWN; round += 1) {
    const page = await call("GET", `/dead-letters?${new URLSearchParams({ limit: SHOWN, ...(cursor && { cursor }) })}`);
    letters.push(...page.items);
    cursor = page.next_cursor;
    if (!cursor) break;
  }
  return { letters, more: Boolean(cursor) };
}

export function offerDeadLetters() {
  const panel = document.getElementById("dead-letters");
  const result = panel.querySelector(".result");
  const problem = panel.querySelector(".problem");
  const [look, all] = panel.querySelectorAll("button");
  const work = (button, does) => button.addEventListener("click", () => pressed(button, problem, async () => {
    result.setAttribute("aria-busy", "true");
    try {
      result.replaceChildren(...(await does()));
    } finally {
      result.setAttribute("aria-busy", "false");
    }
  }));
  work(look, async () => {
    const { letters, more } = await firstLetters();
    all.disabled = !letters.length;
    if (!letters.length) return [element("p", { class: "note" }, "There are none.")];
    return [element("ul", {}, ...letters.map(row)), ...(more ? [element("p", { class: "note" }, "There are more.")] : [])];
  });
  work(all, async () => {
    const { sent, more } = await redrive({ all: true });
    const rest = more ? "Press again for the rest." : "What still cannot be handled comes back.";
    return [element("p", { class: "note" }, `Redriven: ${sent}. ${rest}`)];
  });
}

function row(letter) {
  const what = `${letter.type ?? "unknown type"} of order ${shortId(letter.order_id ?? "unknown")}`;
  const why = `given up by ${letter.group ?? "nobody known"} after ${letter.attempts ?? "?"} attempts: ${letter.error ?? "?"}`;
  return element("li", {}, `${what}, ${why}`);
}

export async function redriveLettersOf(orderId) {
  const { sent } = await redrive({ filter: { order_id: orderId } });
  if (!sent) throw new Refusal("No dead letter of this order can be redriven.");
  return sent;
}
