"""Creates the topics."""

from addresses import KAFKA
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

admin = KafkaAdminClient(bootstrap_servers=KAFKA)
admin.create_topics([NewTopic(name, 2, 1) for name in ("invoices", "payments", "payments.dlq")])
admin.close()
