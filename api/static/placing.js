// The order form. It stocks the chosen product if the catalogue lacks it, places the order, and shows it in the lanes.

import { call, newKey, pressed, Refusal } from "./calls.js";

let key = newKey();

export function offerPlacing(placed) {
  const form = document.getElementById("place");
  const other = document.getElementById("other-sku");
  const product = form.elements.product;
  product.addEventListener("change", () => {
    other.hidden = product.value !== "";
    form.elements.sku.required = !other.hidden;
  });
  form.addEventListener("change", () => { key = newKey(); });
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    pressed(form.querySelector("button"), form.querySelector(".problem"), async () => placed(await place(form.elements)));
  });
}

async function place(fields) {
  await stock(fields.product.selectedOptions[0]);
  const style = fields.style.value;
  const order = {
    customer_id: document.body.dataset.customer ?? "page",
    lines: [{ sku: fields.product.value || fields.sku.value, quantity: fields.quantity.valueAsNumber }],
    payment: fields.payment.value === "pix" ? { method: "pix" } : { method: "card", token: fields.payment.value },
    shipping_address: {
      recipient: "Ana Souza",
      street: "Avenida Paulista 1000",
      city: "São Paulo",
      postal_code: fields.postal_code.value,
      country: "BR",
    },
  };
  const ids = style === "both" ? await pair(order) : await one({ ...order, style });
  key = newKey();
  return ids;
}

// The key changes only after an answer: pressing the button again after an error repeats the same order.
const once = () => ({ "Idempotency-Key": key });

async function pair(order) {
  const placed = await call("POST", "/order-pairs", order, once());
  return { orchestrated: placed.orchestrated.order_id, choreographed: placed.choreographed.order_id };
}

async function one(order) {
  const placed = await call("POST", "/orders", order, once());
  return { [placed.style]: placed.order_id };
}

async function stock(option) {
  if (option.hasAttribute("data-unknown")) return;
  const path = `/products/${encodeURIComponent(option.value)}`;
  try {
    await call("GET", path);
  } catch (refusal) {
    if (!(refusal instanceof Refusal) || refusal.status !== 404) throw refusal;
    const { name, price, onHand } = option.dataset;
    await call("PUT", path, { name, unit_price: { amount: Number(price), currency: "BRL" }, on_hand: Number(onHand) });
  }
}
