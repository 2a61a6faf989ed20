"""Request parameters: bounded, form-encoded, never repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.oauth_proxy.parameters import (
    LARGEST_FORM,
    LARGEST_QUERY,
    Parameters,
    ParametersError,
    RepeatedParameterError,
    form_parameters,
    query_parameters,
)
from okta_mcp.serving.body import BodyTooLargeError, bounded_body
from tests.vocabulary.requests import request_of

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("encoded", ["a=1&a=1", "a=1&b=2&a=3", "%61=1&a=2", "a=1&a=2&a=3"])
def test_a_repeated_parameter_is_refused_wherever_it_is_asked_for(encoded: str) -> None:
    """A-12, K-12."""
    parameters = Parameters(encoded)
    with pytest.raises(RepeatedParameterError):
        parameters.one("a")
    with pytest.raises(RepeatedParameterError):
        parameters.check_no_repetition()


@pytest.mark.parametrize(("name", "text"), [("scope", "scope is"), ("x%0Ay", "a parameter is")])
def test_only_a_known_parameter_is_named(name: str, text: str) -> None:
    """K-16: what a caller wrote is not sent back."""
    with pytest.raises(RepeatedParameterError, match=f"^{text} repeated$"):
        Parameters(f"{name}=1&{name}=2").check_no_repetition()


@pytest.mark.parametrize("encoded", ["a=1&a=", "a=&a=", "a&a", "a=&a=1"])
def test_a_repeated_parameter_is_found_even_where_a_value_is_empty(encoded: str) -> None:
    """A-12, K-12."""
    with pytest.raises(RepeatedParameterError):
        Parameters(encoded).check_no_repetition()


def test_only_what_is_named_may_be_repeated() -> None:
    """RFC 8707 section 2: resource."""
    parameters = Parameters("resource=a&resource=b&x=1&x=2")
    assert parameters.every("resource") == ["a", "b"]
    with pytest.raises(RepeatedParameterError):
        parameters.check_no_repetition(besides=frozenset({"resource"}))


@pytest.mark.parametrize("encoded", ["a=%ff", "%ff=a", "a=%c3%28", "&".join(["a=1"] * 101)])
def test_what_is_not_utf_8_or_too_many_is_refused(encoded: str) -> None:
    """L-02, L-03."""
    with pytest.raises(ParametersError) as caught:
        Parameters(encoded)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("", None),
        ("a", None),
        ("a=", None),
        ("A=1", None),
        ("b=1", None),
        ("a=1", "1"),
        ("a=%20x+y", " x y"),
        ("a=x%26b%3D1", "x&b=1"),
        ("a=1;b=2", "1;b=2"),
        ("a=%C3%A9", "é"),
        ("a=%00", "\x00"),
        ("&&a=1&&", "1"),
        ("a==", "="),
    ],
)
def test_one_value_is_given_as_it_was_meant(encoded: str, value: str | None) -> None:
    assert Parameters(encoded).one("a") == value


@given(st.text(max_size=100))
def test_no_text_raises_anything_but_a_parameters_error(text: str) -> None:
    try:
        Parameters(text).check_no_repetition()
    except ParametersError:
        return


def test_a_long_query_is_refused_before_it_is_read() -> None:
    """A-11."""
    request = request_of(method="GET", query="a=" + "x" * (LARGEST_QUERY - 1))
    with pytest.raises(ParametersError) as caught:
        query_parameters(request)
    assert caught.value.status == 414


def test_the_longest_query_is_read() -> None:
    query = "a=" + "x" * (LARGEST_QUERY - 2)
    assert query_parameters(request_of(method="GET", query=query)).one("a") == query[2:]


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/x-www-form-urlencoded-not",
        "application/x-www-form-urlencoded, text/plain",
        "x application/x-www-form-urlencoded",
    ],
)
async def test_only_a_form_is_read_as_a_form(media_type: str | None) -> None:
    """K-11."""
    headers = {} if media_type is None else {"content-type": media_type}
    with pytest.raises(ParametersError) as caught:
        await form_parameters(request_of(headers=headers, body=b"a=1"))
    assert caught.value.status == 415


@pytest.mark.parametrize("body", [b"a=\xff", b"\xff", b"a=%ff"])
async def test_a_form_that_is_not_utf_8_is_refused(body: bytes) -> None:
    with pytest.raises(ParametersError) as caught:
        await form_parameters(request_of(headers=FORM, body=body))
    assert caught.value.status == 400


@pytest.mark.parametrize("declared", [None, "5", "0", "many", "-1", str(10**30)])
async def test_a_large_form_is_refused_whatever_it_says_of_its_length(
    declared: str | None,
) -> None:
    """L-01: counted while it arrives."""
    headers = FORM | ({} if declared is None else {"content-length": declared})
    body = [b"a=" + b"x" * 8190, b"x" * 8192, b"x"]
    with pytest.raises(ParametersError) as caught:
        await form_parameters(request_of(headers=headers, body=body))
    assert caught.value.status == 413


async def test_a_declared_length_beyond_the_bound_is_refused_before_reading() -> None:
    """L-01."""
    request = request_of(headers={"content-length": "17"}, body=b"short")
    with pytest.raises(BodyTooLargeError):
        await bounded_body(request, 16)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded",
        "application/x-www-form-urlencoded; charset=utf-8",
    ],
)
async def test_a_form_of_the_largest_size_is_read(media_type: str) -> None:
    body = [b"a=" + b"x" * (LARGEST_FORM - 3), b"y"]
    form = await form_parameters(request_of(headers={"content-type": media_type}, body=body))
    assert (form.one("a") or "")[-1] == "y"


async def test_the_query_of_a_post_is_no_part_of_its_form() -> None:
    """K-10."""
    form = await form_parameters(request_of(headers=FORM, query="a=1", body=b"b=2"))
    assert form.one("a") is None
