"""Typed, frozen, nested settings: what of a protocol may be changed, and how it is checked.

    class Gan(Settings):
        epochs: Positive = 50
        rate: Rate = 2e-4

    class Protocol(Settings):
        seeds: Positive = 8
        gan: Gan = Gan()

A profile is an instance; the command line says `-p gan.epochs 25`.
"""

import json
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field

from dagen_keras.checks import RunError

T = TypeVar("T")

MOST = 100  # Seeds, and values of a list: a larger grid is a slip.

Positive = Annotated[int, Field(ge=1)]
Even = Annotated[int, Field(ge=2, multiple_of=2)]
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Precision = Literal["float32", "mixed_bfloat16"]
"""Keras's dtype policy of a classifier's layers: `precision: Precision = "float32"`."""
All = Literal["all"]
"""Beside a number of images, all that there are: `train: Positive | All = 500`."""


def _distinct(values: tuple) -> tuple:
    if len(set(values)) < len(values):
        raise ValueError("must not repeat a value")
    return values


Several = Annotated[
    tuple[T, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    Field(min_length=1),
    AfterValidator(_distinct),
]
"""A list of one value or more, none twice: `sizes: Several[Positive] = (50, 100)`."""


class Settings(pydantic.BaseModel):
    """A group of settings. Fields are typed and have defaults; instances do not change."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    @pydantic.field_validator("*")
    @classmethod
    def _listable(cls, value, about: pydantic.ValidationInfo):
        """A grid is listed before it is computed, so there is a most of what it multiplies."""
        if isinstance(value, tuple) and len(value) > MOST:
            raise ValueError(f"must have at most {MOST} values")
        if about.field_name.endswith("seeds") and value > MOST:
            raise ValueError(f"must be at most {MOST}")
        return value

    def flat(self) -> dict[str, Any]:
        """Every setting by its full name, such as "gan.epochs", as JSON holds it."""
        found = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Settings):
                found |= {f"{name}.{inner}": v for inner, v in value.flat().items()}
            else:
                found[name] = list(value) if isinstance(value, tuple) else value
        return found

    def replace(self, changes: dict[str, Any]) -> "Settings":
        """A copy in which the settings of these full names have other values.

        Args:
            changes: values by full name, as Python has them or as text of the command line.

        Raises:
            RunError: if there is no such setting, or its value is not allowed; names the setting,
                the value and what would be right.
        """
        settings = self
        for name, value in changes.items():
            settings = _replaced(settings, name, name.split("."), value)
        return settings


def enough(name: str, asked: int | str, there: int, what: str) -> int:
    """How many images to take of those that are there: as many as asked, or "all".

    Args:
        name: of the setting, for the message.
        asked: a number, or "all".
        there: how many there are.
        what: of them, for the message: "training images of mnist".

    Raises:
        RunError: if there are fewer than asked for.
    """
    if asked == "all":
        return there
    if asked > there:
        raise RunError(f"setting '{name}' asks for {asked:,} {what}; there are {there:,}.")
    return asked


def _replaced(settings, name, path, value):
    """`settings` with another value at `path`; `name` is the whole path, for the message."""
    here = getattr(settings, path[0], None) if path[0] in type(settings).model_fields else None
    if isinstance(here, Settings) and len(path) > 1:
        return settings.model_copy(update={path[0]: _replaced(here, name, path[1:], value)})
    prefix = name[: len(name) - len(".".join(path))]
    if isinstance(here, Settings):
        inner = ", ".join(f"{name}.{field}" for field in here.flat())
        raise RunError(f"'{name}' is a group of settings: name one of {inner}.")
    if path[0] not in type(settings).model_fields or len(path) > 1:
        known = ", ".join(prefix + field for field in settings.flat())
        raise RunError(f"there is no setting '{name}'; known are {known}.")
    if isinstance(value, str):
        value = _from_text(value, here)
    if isinstance(here, tuple) and isinstance(value, list):
        value = tuple(value)
    fields = {field: getattr(settings, field) for field in type(settings).model_fields}
    try:
        return type(settings)(**{**fields, path[0]: value})
    except pydantic.ValidationError as error:
        raise RunError(_sentence(name, error, here)) from None


def _from_text(text, example):
    """The value that text of the command line stands for, where `example` is the present one."""
    if isinstance(example, tuple):
        element = example[0] if example else None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return tuple(_from_text(part.strip(), element) for part in text.split(","))
        return value if isinstance(value, list) else (_from_text(text, element),)
    if isinstance(example, str) and example != "all":  # Which stands for a number.
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _sentence(name, error, example):
    found = error.errors()[0]
    place = "".join(f", element {part + 1}," for part in found["loc"][1:] if isinstance(part, int))
    # Of a union each member says what it wants.
    wants = [one["msg"] for one in error.errors() if one["loc"][:1] == found["loc"][:1]]
    message = " or ".join(wants if not place else wants[:1]).removeprefix("Value error, ")
    message = message.replace("Input should be", "must be", 1).replace("Input should be ", "")
    message = message.replace("Value should have", "must have").split(" after validation")[0]
    message = message[:1].lower() + message[1:]
    message = message.replace("valid tuple", "list")
    given = found["input"] if found["loc"] else example
    given, now = (list(v) if isinstance(v, tuple) else v for v in (given, example))
    return (
        f"setting '{name}'{place} {message}; got {repr(given)[:80]}. Now it is {json.dumps(now)}."
    )
