import typer


def kafka_acls() -> None:
    """Create the access control lists of Kafka: what each of our processes may read and write, and nothing else.

    The user of a process has the name of the process, such as `payment-service`. Create the users first, and run this
    as a user that may change access control lists. It is safe to repeat, and removes nothing.

    Example: [bold]TWINSAGA_KAFKA_USER=admin TWINSAGA_KAFKA_PASSWORD_FILE=admin.secret twinsaga kafka-acls[/bold]
    """
    from processes.kafka_acls import create_acls
    from runtime.settings import load_settings

    for access in create_acls(load_settings()):
        typer.echo(f"{access.user}: reads {', '.join(access.reads) or '-'}; writes {', '.join(access.writes) or '-'}")
