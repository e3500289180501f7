from titans_cli.commands.options import Home, command


@command("titans chat", json=False)
def chat(home: Home = None) -> None:
    """Ask question after question: /help shows what can be typed, Ctrl-D leaves."""
    from titans_cli.models import Models
    from titans_cli.repl import Repl
    from titans_cli.settings import home_folder
    from titans_cli.usecases.ask import Assistant

    folder = home_folder(home)
    Repl(folder, Assistant(folder, Models())).run()
