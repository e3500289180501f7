from titans_cli.app import main

main()
