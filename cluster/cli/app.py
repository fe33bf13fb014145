"""The command tree, and the one place where errors become messages and exit codes.

Exit codes: 0 done, 1 failure, 2 usage, 3 bad config or data, 4 cluster or MLflow unreachable, 5 no elite although
`--require-elite`, 75 interrupted and resumable, 130 Ctrl-C, 143 terminated.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from cluster.cli.preferences import default_map
from cluster.cli.reply import Reply, say

EXIT_CTRL_C, EXIT_TERMINATED = 130, 143
CommandFunction = TypeVar("CommandFunction", bound=Callable[..., Any])


ORDER = (
    "run",
    "resume",
    "jobs",
    "show",
    "top",
    "elites",
    "trials",
    "report",
    "export",
    "verify",
    "portfolio",
    "backtest",
    "null",
    "walk-forward",
    "tune",
    "data",
    "ui",
    "track",
    "doctor",
)
PANELS = {
    "Pedigree": ("pedigree", "diff", "ancestors", "descendants", "dynasty", "genealogy"),
    "On a cluster": ("submit", "status", "logs", "attach", "stop", "list"),
}


class StudbookCommand(TyperCommand):
    """A command that runs with stdout fenced, so that only its reply is printed there."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        paragraphs = (self.help or "").split("\n\n")  # those of examples keep their lines, which \b says
        self.help = "\n\n".join(f"\b\n{text}" if text.startswith("Example") else text for text in paragraphs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command behind the fence."""
        from cluster.signals import ends_when_terminated, last_words

        reply: Reply = ctx.find_object(Reply)
        reply.fence()
        with last_words(reply.leave), ends_when_terminated():
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt as error:  # typer would make a bare exit code of it
                raise typer.Exit(_interrupted(error, reply)) from None


class StudbookGroup(TyperGroup):
    """The root of the command tree: turns every ending into a message and an exit code."""

    command_class = StudbookCommand

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order in which one meets them."""
        del ctx
        return [
            *(name for name in ORDER if name in self.commands),
            *(name for name in self.commands if name not in ORDER),
        ]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under their headings."""
        names = [name for name in self.list_commands(ctx) if not self.commands[name].hidden]
        apart = {name for panel in PANELS.values() for name in panel}
        sections = {"Commands": [name for name in names if name not in apart]}
        sections |= {title: [name for name in panel if name in names] for title, panel in PANELS.items()}
        limit = formatter.width - 6 - max(map(len, names))
        for title, listed in sections.items():
            if listed:
                with formatter.section(title):
                    formatter.write_dl([(name, self.commands[name].get_short_help_str(limit)) for name in listed])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and end with the exit code that docs/architecture.md lists."""
        words = list(sys.argv[1:] if args is None else args)
        reply = Reply(as_json="--json" in words)

        def run() -> int:
            code = TyperGroup.main(
                self, args=words, prog_name=prog_name or "studbook", complete_var=complete_var,
                standalone_mode=False, windows_expand_args=windows_expand_args,
                obj=reply, default_map=default_map(self), **extra,
            )  # fmt: skip
            return code if isinstance(code, int) else 0

        code = _finish(reply, _guarded(run, reply))
        if standalone_mode:
            sys.exit(code)
        return code


def _guarded(run: Any, reply: Reply) -> int:
    """The exit code of `run()`, with every failure said once and without a traceback."""
    try:
        return int(run())
    except typer.TyperException as error:
        return _usage(error, reply)
    except typer.Abort:
        reply.fail("given up.", 1)
        return 1
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # who read us has gone
        return 1
    except KeyboardInterrupt as error:
        return _interrupted(error, reply)
    except Exception as error:  # noqa: BLE001  # the last line of defence: a message, not a traceback
        return _failure(error, reply)


def _interrupted(error: KeyboardInterrupt, reply: Reply) -> int:
    """Say that Ctrl-C or SIGTERM ended a command that has nothing to stop in an orderly way."""
    from cluster.signals import Terminated

    code, text = (EXIT_TERMINATED, "terminated.") if isinstance(error, Terminated) else (EXIT_CTRL_C, "interrupted.")
    reply.fail(text, code)
    return code


def _usage(error: typer.TyperException, reply: Reply) -> int:
    """Say what was wrong with the command line, with the usage line and where help is."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        message = message if not reply.as_json else "a command is needed; `studbook --help` lists them."
        (reply.fail if reply.as_json else lambda text, _: say(text))(message, error.exit_code)
        return error.exit_code
    if context is not None and not reply.as_json:
        say(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n")
    reply.fail(message, error.exit_code)
    return error.exit_code


def _failure(error: Exception, reply: Reply) -> int:
    """Say what failed: our own errors in their words, others as a bug, with a traceback only when asked for."""
    from strategies.errors import StudbookError

    if os.environ.get("STUDBOOK_DEBUG") == "1":
        traceback.print_exception(error)
    if isinstance(error, StudbookError):
        reply.fail(str(error), error.exit_code)
        return error.exit_code
    if isinstance(error, OSError):
        reply.fail(f"the system refused: {error}.", 1)
        return 1
    reply.fail(
        f"unexpected {type(error).__name__}: {error}. This is a bug in Studbook; "
        "run again with STUDBOOK_DEBUG=1 for the traceback and report it.",
        1,
    )
    return 1


def _finish(reply: Reply, code: int) -> int:
    """Print what is due; a reader that has gone (`| head`) is no failure of ours beyond exit code 1."""
    try:
        reply.close()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        return 1
    return code


app = typer.Typer(
    name="studbook",
    cls=StudbookGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich's costs 0.2 s
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Breeds trading strategies on a Ray cluster and keeps the pedigree of every one it ever tried.",
)


def command(name: str | None = None) -> Callable[[CommandFunction], CommandFunction]:
    """Register a function as a command of `studbook`, under its own name or `name`."""
    return app.command(name, cls=StudbookCommand)
