"""`unpaired push`."""

from __future__ import annotations

from pathlib import Path

from unpaired.cli.arguments import Parser, get_summary, print_result


def push(argv: list[str]) -> int:
    """Share a run on the Hugging Face Hub, with a model card."""
    from unpaired.hub.upload import push_run

    parser = Parser(prog="unpaired push", description=get_summary(push))
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run that `unpaired train` wrote")
    parser.add_argument("repository", metavar="USER/NAME", help="repository of the hub; it is created")
    parser.add_argument(
        "--license", required=True, metavar="ID", help="licence of the model, as apache-2.0, cc-by-nc-4.0 or other"
    )
    parser.add_argument(
        "--samples", action="store_true", help="also upload the report and the sample grids, which show training data"
    )
    parser.add_argument("--private", action="store_true", help="create a private repository")
    args = parser.parse_all(argv)
    print_result(push_run(args.run, args.repository, args.license, samples=args.samples, private=args.private))
    return 0
