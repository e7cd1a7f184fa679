import json
from typing import Annotated, Literal

import pydantic
import pytest
from pydantic import Field

from dagen_keras.checks import RunError
from dagen_keras.study import Settings
from dagen_keras.study.settings import All, Count, Positive, Rate, Several, enough


class Inner(Settings):
    deep: Positive = 3


class Gan(Settings):
    epochs: Positive = 50
    rate: Rate = 2e-4
    paired: bool = True
    inner: Inner = Inner()


class Protocol(Settings):
    seeds: Positive = 8
    name: Literal["a", "b"] = "a"
    count: Count = 0
    sizes: Several[Positive] = (50, 100)
    words: Several[str] = ("one",)
    shown: tuple[Positive, ...] = ()
    gan: Gan = Gan()


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("seeds", "3", 3),
        ("seeds", 3, 3),
        ("name", "b", "b"),
        ("gan.rate", "1e-3", 1e-3),
        ("gan.paired", "false", False),
        ("gan.inner.deep", "9", 9),
        ("sizes", "20", [20]),
        ("sizes", "20, 40,60", [20, 40, 60]),
        ("sizes", "[20, 40]", [20, 40]),
        ("sizes", [20, 40], [20, 40]),
        ("sizes", (20, 40), [20, 40]),
        ("words", "1, two", ["1", "two"]),
        ("words", '["1"]', ["1"]),
        ("shown", "7", [7]),
        ("shown", "7,8", [7, 8]),
        ("shown", "[3, 4]", [3, 4]),
        ("shown", [7], [7]),
    ],
)
def test_a_setting_is_changed_by_its_full_name_in_a_copy(name, given, value):
    before = Protocol()
    after = before.replace({name: given})
    assert after.flat() == {**before.flat(), name: value}
    assert type(after.flat()[name]) is type(value)
    assert before == Protocol() != after


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("seeds", "0", "must be greater than or equal to 1; got 0. Now it is 8."),
        ("seeds", "x", "must be a valid integer; got 'x'. Now it is 8."),
        ("seeds", "1.5", "must be a valid integer; got 1.5. Now it is 8."),
        ("seeds", 1.0, "must be a valid integer; got 1.0. Now it is 8."),
        ("seeds", True, "must be a valid integer; got True. Now it is 8."),
        ("seeds", {"a": 1}, "must be a valid integer; got {'a': 1}. Now it is 8."),
        ("count", None, "must be a valid integer; got None. Now it is 0."),
        ("name", "c", "must be 'a' or 'b'; got 'c'. Now it is \"a\"."),
        ("gan.rate", "NaN", "must be a finite number; got nan. Now it is 0.0002."),
        ("gan.rate", "nan", "must be a valid number; got 'nan'. Now it is 0.0002."),
        ("gan.rate", float("inf"), "must be a finite number; got inf. Now it is 0.0002."),
        ("gan.rate", "-Infinity", "must be a finite number; got -inf. Now it is 0.0002."),
        ("gan.paired", "1", "must be a valid boolean; got 1. Now it is true."),
        ("gan.inner.deep", "0", "must be greater than or equal to 1; got 0. Now it is 3."),
        ("sizes", [], "must have at least 1 item; got []. Now it is [50, 100]."),
        ("sizes", "5,5", "must not repeat a value; got [5, 5]. Now it is [50, 100]."),
        ("sizes", 3, "must be a list; got 3. Now it is [50, 100]."),
        ("words", "[1]", ', element 1, must be a valid string; got 1. Now it is ["one"].'),
        ("sizes", "5,x", ", element 2, must be a valid integer; got 'x'. Now it is [50, 100]."),
        ("shown", "[0]", ", element 1, must be greater than or equal to 1; got 0. Now it is []."),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence(name, given, message):
    with pytest.raises(RunError) as error:
        Protocol().replace({name: given})
    space = "" if message.startswith(",") else " "
    assert str(error.value) == f"setting '{name}'{space}{message}"


@pytest.mark.parametrize("name", ["seeds", "sizes", "shown", "gan.rate"])
@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000 + "x"])
def test_text_that_no_parser_likes_is_told_in_a_short_sentence(name, deep):
    with pytest.raises(RunError, match=f"^setting '{name}'") as error:
        Protocol().replace({name: deep})
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("gan.epoch", "gan.epochs, gan.rate, gan.paired, gan.inner.deep"),
        ("gan.inner.x", "gan.inner.deep"),
        ("gan.inner.deep.x", "gan.inner.deep"),
        ("gan.", "gan.epochs, gan.rate, gan.paired, gan.inner.deep"),
        ("model_config", ", ".join(Protocol().flat())),
        ("", ", ".join(Protocol().flat())),
    ],
)
def test_an_unknown_setting_is_told_with_the_known_ones(name, known):
    with pytest.raises(RunError) as error:
        Protocol().replace({name: 1})
    assert str(error.value) == f"there is no setting '{name}'; known are {known}."


@pytest.mark.parametrize("value", ["3", 3, {"epochs": 3}, Gan()])
def test_a_group_takes_no_value(value):
    with pytest.raises(RunError, match=r"^'gan' is a group of settings: name one of gan\.epochs, "):
        Protocol().replace({"gan": value})


def test_settings_are_frozen_and_know_no_other_fields():
    with pytest.raises(pydantic.ValidationError):
        Protocol().seeds = 3
    with pytest.raises(pydantic.ValidationError):
        Protocol().gan.epochs = 3
    with pytest.raises(pydantic.ValidationError):
        Protocol(seed=3)
    assert hash(Protocol()) == hash(Protocol().replace({"seeds": 8}))


def test_a_default_is_checked_as_well():
    class Wrong(Settings):
        seeds: Positive = 0

    with pytest.raises(pydantic.ValidationError):
        Wrong()


def test_flat_settings_survive_json_and_come_back():
    flat = Protocol().replace({"gan.inner.deep": 4}).flat()
    back = json.loads(json.dumps(flat))
    assert back == flat
    assert Protocol().replace(back).flat() == flat


def test_several_changes_are_made_one_after_the_other():
    after = Protocol().replace({"seeds": "2", "gan.epochs": "1", "gan.inner.deep": 7})
    assert (after.seeds, after.gan.epochs, after.gan.inner.deep) == (2, 1, 7)
    assert after.gan.rate == Gan().rate


class Images(Settings):
    train: Annotated[int, Field(ge=50)] | All = "all"


def test_all_stands_for_as_many_as_there_are():
    assert Images().replace({"train": "70"}).train == 70
    assert Images(train=70).replace({"train": "all"}).train == "all"
    for wrong in ("7", "some", "2.5", "All"):
        with pytest.raises(RunError, match="'train' must be .* or 'all'; got "):
            Images().replace({"train": wrong})
    assert enough("train", 70, 70, "images") == 70 and enough("train", "all", 70, "images") == 70
    with pytest.raises(RunError, match="'train' asks for 7,100 images; there are 7,099."):
        enough("train", 7100, 7099, "images")
