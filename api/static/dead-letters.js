// Lists dead letters and redrives them. The API reads a bounded number of them per request, so there are several rounds.

import { call, pressed, Refusal } from "./calls.js";
import { element, say, shortId } from "./wording.js";

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
  const [list, all] = panel.querySelectorAll("button");
  const onPress = (button, action) => button.addEventListener("click", () => pressed(button, problem, async () => {
    result.setAttribute("aria-busy", "true");
    try {
      result.replaceChildren(...(await action()));
    } finally {
      result.setAttribute("aria-busy", "false");
    }
  }));
  onPress(list, async () => {
    const { letters, more } = await firstLetters();
    all.disabled = !letters.length;
    if (!letters.length) return [element("p", { class: "note" }, say("There are no dead letters."))];
    return [element("ul", {}, ...letters.map(row)), ...(more ? [element("p", { class: "note" }, say("There are more dead letters."))] : [])];
  });
  onPress(all, async () => {
    const { sent, more } = await redrive({ all: true });
    const rest = more ? say("Press again to redrive the rest.") : say("A message that still fails comes back.");
    return [element("p", { class: "note" }, `${say("Redriven")}: ${sent}. ${rest}`)];
  });
}

function row(letter) {
  const type = letter.type ?? "?", order = shortId(letter.order_id ?? "?"), group = letter.group ?? "?", attempts = letter.attempts ?? "?";
  const text = say("{type} of order {order}, given up by {group} after {attempts} attempts", { type, order, group, attempts });
  return element("li", {}, `${text}: ${letter.error ?? "?"}`);
}

export async function redriveLettersOf(orderId) {
  const { sent } = await redrive({ filter: { order_id: orderId } });
  if (!sent) throw new Refusal(say("No dead letter of this order can be redriven."));
  return sent;
}
