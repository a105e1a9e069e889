// Requests to the API. Every error becomes a Refusal, with a sentence for the user.

import { say } from "./wording.js";

const DEADLINE_MS = 20_000;

export class Refusal extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export async function call(method, path, body, headers = {}) {
  const sent = method === "GET" ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { Accept: "application/json", ...sent, ...headers },
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch {
    throw new Refusal(say("The server does not answer. Try again."));
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok) return content;
  const fields = (content?.errors ?? []).map((each) => `${each.field}: ${each.message}`).join("; ");
  throw new Refusal(fields || content?.detail || say("The server answered {status}.", { status: answer.status }), answer.status);
}

// Not crypto.randomUUID: browsers offer it only to pages over TLS or from localhost.
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Disable the button while its work runs, and show an error in `problem`.
export async function pressed(button, problem, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  problem.textContent = "";
  try {
    await work();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    problem.textContent = refusal.message;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}
