"""The mails of the shop. The task id is derived from the occasion, so that each mail is sent once."""

from uuid import UUID, uuid5

from domain.ids import OrderId
from domain.order import Reason
from services.estate.records import QueuedTask, User

SEND_EMAIL = "twinsaga.send_email"
_OCCASIONS = UUID("0f4c2f0a-65a2-5a55-9b1c-6d7f3f1f6f0e")


def welcome(user: User) -> QueuedTask:
    body = f"Hello {user.name},\n\nwelcome to twinsaga. You order as customer {user.user_id}.\n"
    return _mail(f"welcome/{user.user_id}", user.email, "Welcome!", body)


def order_ended(user: User, order_id: OrderId, reason: Reason | None) -> QueuedTask:
    """`reason` of a cancelled order; None for a confirmed one."""
    subject, news = "Your order is confirmed", "is confirmed and on its way."
    if reason is not None:
        subject, news = "Your order is cancelled", f"is cancelled: {reason.replace('_', ' ')}."
    body = f"Hello {user.name},\n\nyour order {order_id} {news}\n"
    return _mail(f"order ended/{order_id}", user.email, subject, body)


def _mail(occasion: str, to: str, subject: str, body: str) -> QueuedTask:
    return QueuedTask(task_id=str(uuid5(_OCCASIONS, occasion)), task=SEND_EMAIL, arguments=(to, subject, body))
