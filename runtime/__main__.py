from runtime.command_line import app

app()
