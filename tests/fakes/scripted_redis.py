"""Redis clients that do what a test says: for errors and answers that a real server gives only when it is ill.

Each command is an attribute. What is answered stands in `answers`, by the command's name: a value, an error that is
raised, or a function of the command's arguments. `commands` has what was asked, in order.
"""

from types import SimpleNamespace
from typing import Any


class _Script:
    """Answers, and remembers what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.commands: list[tuple[Any, ...]] = []
        self.executed: list[bool] = []
        """Whether each pipeline was a transaction."""
        self.closed = 0
        self.connection_pool = SimpleNamespace(connection_kwargs={"db": 0})

    def names(self) -> list[str]:
        """Return the names of the commands that were asked."""
        return [command[0] for command in self.commands]

    def given(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of each command of this name."""
        return [command[1:] for command in self.commands if command[0] == name]

    def _answer(self, name: str, *args: Any, **options: Any) -> Any:
        self.commands.append((name, *args))
        answer = self.answers.get(name)
        return answer(*args, **options) if callable(answer) else answer

    def _say(self, name: str, *args: Any, **options: Any) -> Any:
        answer = self._answer(name, *args, **options)
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedRedis(_Script):
    """Stands in for `redis.asyncio.Redis`."""

    def __getattr__(self, name: str) -> Any:
        async def command(*args: Any, **options: Any) -> Any:
            return self._say(name, *args, **options)

        return command

    def pipeline(self, *, transaction: bool) -> "_Pipeline":
        """Return a pipeline, which answers when it is executed."""
        return _Pipeline(self, transaction=transaction)

    async def aclose(self) -> None:
        """Count that it is closed."""
        self.closed += 1


class BlockingScriptedRedis(_Script):
    """Stands in for `redis.Redis`."""

    def __getattr__(self, name: str) -> Any:
        def command(*args: Any, **options: Any) -> Any:
            return self._say(name, *args, **options)

        return command

    def get_connection_kwargs(self) -> dict[str, Any]:
        """Return what the connections were opened with."""
        kwargs: dict[str, Any] = self.connection_pool.connection_kwargs
        return kwargs

    def register_script(self, text: str) -> Any:
        """Return a script that asks as the command `script`, with its text first."""
        return lambda *, keys, args: self._say("script", text, keys, args)

    def pipeline(self, *, transaction: bool) -> "_BlockingPipeline":
        """Return a pipeline, which answers when it is executed."""
        return _BlockingPipeline(self, transaction=transaction)

    def close(self) -> None:
        """Count that it is closed."""
        self.closed += 1


class _Commands:
    """What was put into a pipeline."""

    def __init__(self, script: _Script, *, transaction: bool) -> None:
        self._script = script
        self._transaction = transaction
        self._put: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: self._put.append((name, args, options))

    def _answers(self, *, raise_on_error: bool) -> list[Any]:
        self._script.executed.append(self._transaction)
        answers = [self._script._answer(name, *args, **options) for name, args, options in self._put]
        for answer in answers if raise_on_error else ():
            if isinstance(answer, Exception):
                raise answer
        return answers


class _Pipeline(_Commands):
    async def __aenter__(self) -> "_Pipeline":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        return self._answers(raise_on_error=raise_on_error)


class _BlockingPipeline(_Commands):
    def __enter__(self) -> "_BlockingPipeline":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        return self._answers(raise_on_error=raise_on_error)
