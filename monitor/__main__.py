"""`python -m monitor` is `nuon-monitor`."""

from monitor.cli import main

if __name__ == "__main__":
    main()
