"""``${NAME}``: a manifest gets the variables that are meant for it, and no other."""

from __future__ import annotations

import pytest

from dlm.cli.variables import EnvironmentVariables
from dlm.errors import PolicyError, UsageError

ENVIRONMENT = {"DLM_AUTH_TOKEN": "hunter2", "AWS_SECRET_ACCESS_KEY": "hunter3", "EMPTY": "", "DLM_AUTH_EMPTY": ""}


@pytest.mark.promise(7)
def test_only_names_with_the_prefix_are_expanded() -> None:
    variables = EnvironmentVariables(ENVIRONMENT, {})
    assert variables.value("DLM_AUTH_TOKEN", "example.org") == "hunter2"
    with pytest.raises(PolicyError) as caught:
        variables.value("AWS_SECRET_ACCESS_KEY", "evil.example")
    assert "hunter3" not in str(caught.value)
    assert "only names that begin with DLM_AUTH_ are" in caught.value.message
    assert "hosts: {evil.example: {variables: [AWS_SECRET_ACCESS_KEY]}}" in (caught.value.hint or "")


@pytest.mark.promise(7)
def test_the_user_allows_further_names_for_one_host() -> None:
    variables = EnvironmentVariables(ENVIRONMENT, {"example.org": ("AWS_SECRET_ACCESS_KEY",)})
    assert variables.value("AWS_SECRET_ACCESS_KEY", "example.org") == "hunter3"
    with pytest.raises(PolicyError):
        variables.value("AWS_SECRET_ACCESS_KEY", "sub.example.org")


@pytest.mark.parametrize("name", ["DLM_AUTH_MISSING", "DLM_AUTH_EMPTY"])
def test_a_variable_without_a_value_is_an_error(name: str) -> None:
    with pytest.raises(
        UsageError, match=f"the variable {name} is not set, and a request to example.org needs it"
    ) as caught:
        EnvironmentVariables(ENVIRONMENT, {}).value(name, "example.org")
    assert caught.value.hint == f"export {name}=…"
