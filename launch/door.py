"""The door between the command line and the library.

Flags and ConfigDicts are read in `launch` and nowhere below. What a user can cause ends
in one line and exit code 2: got, expected, remedy. Ctrl-C is 130 and loses nothing that
was saved. Everything else is a defect of ours and keeps its traceback.
"""

import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from launch.workdir import Run, execute
from transfer_reasoning.runtime.progress import reporter
from transfer_reasoning.types import InputError

USER_ERROR, INTERRUPTED = 2, 130


def start_run(run: Run, *, free_keys: Sequence[str] = (), once: bool = True) -> None:
    """Main of a stage that takes `--config` and `--workdir`; see `workdir.execute`."""
    config_flags.DEFINE_config_file("config", None, "configs/FILE.py[:variant]")
    flags.DEFINE_string("workdir", None, "where this run keeps everything it makes")

    def main() -> None:
        config = _config()
        if not flags.FLAGS.workdir:
            raise InputError("flag --workdir is not set; expected a directory to use")
        workdir, shown = Path(flags.FLAGS.workdir), reporter()
        try:
            execute(run, config, workdir, shown, free_keys=free_keys, once=once)
        finally:
            shown.close()

    start_tool(main)


def start_tool(main: Callable[[], None]) -> None:
    """Main of a tool with plain flags, which the tool has defined."""

    def guarded(arguments: Sequence[str]) -> None:
        if len(arguments) > 1:
            fail(f"got the argument {arguments[1]!r}; expected only --flags")
        try:
            main()
        except InputError as error:
            fail(str(error))
        except OSError as error:
            name = f": {error.filename}" if error.filename else ""
            fail(f"{error.strerror or error}{name}; what was saved before is kept")
        except KeyboardInterrupt:
            fail("interrupted; the same command goes on from here", INTERRUPTED)

    logging.set_verbosity(logging.WARNING)  # app.run would let libraries chat
    app.run(guarded, flags_parser=_parse)


def fail(message: str, code: int = USER_ERROR) -> NoReturn:
    """Say one line on standard error and end."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _config() -> ConfigDict:
    config = flags.FLAGS.config
    if not isinstance(config, ConfigDict):
        raise InputError("flag --config is not set; expected configs/FILE.py[:variant]")
    return config


def _parse(arguments: list[str]) -> list[str]:
    """Absl's parsing with one-line errors; `--help` shows what the command is."""
    if {"--help", "-h", "-help"} & set(arguments):
        print(sys.modules["__main__"].__doc__)
        print(flags.FLAGS.main_module_help())
        sys.exit(0)
    for argument in arguments:
        if argument.startswith("--config="):
            _check_config_file(argument.removeprefix("--config=").partition(":")[0])
    try:
        return flags.FLAGS(arguments)
    except (AttributeError, KeyError) as error:  # how ConfigDict reports a key
        text = str(error.args[0]).replace("\\n", " ").replace("\\'", "'").strip("'\"")
        fail(f"unknown config key {text}; expected a key of the config file")
    except (flags.Error, TypeError, ValueError) as error:
        first, *rest = [line for line in str(error).splitlines() if line.strip()]
        # An error inside a config file comes with a traceback that ends with why.
        fail(f"{first.partition(': Error whilst')[0]}: {rest[-1]}" if rest else first)


def _check_config_file(name: str) -> None:
    if not Path(name).is_file():
        near = difflib.get_close_matches(name, map(str, Path().glob("configs/**/*.py")))
        hint = f"perhaps {near[0]}" if near else "such as configs/study.py"
        fail(f"config file {name!r} does not exist; expected a file, {hint}")
