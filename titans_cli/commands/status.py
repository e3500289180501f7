from titans_cli.commands.options import Home


def status(home: Home = None) -> None:
    """Show what is memorized, and what could not be."""
    from titans_cli.render import print_sources, print_status
    from titans_cli.settings import home_folder
    from titans_cli.usecases.status import status as run

    result = run(home_folder(home))
    print_status(result)
    print_sources(result)
