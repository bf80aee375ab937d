"""The rules of one transfer, event by event and without a wire."""

from __future__ import annotations

import pytest

from dlm.errors import DlmError, IntegrityError, LocalError, NetworkError, PolicyError, RefusedError
from dlm.fetch.commands import Accept, Begin, Cancel, Command, Commit, Drop, Fail, Reuse, Span, Start, Tell, Wait
from dlm.fetch.download import Download, Limit
from dlm.fetch.retry import RetryPolicy
from dlm.model.artifact import Artifact, Validators
from dlm.model.digest import Digest, Digests
from dlm.model.events import Fetching, Retrying, SourceFailed, Warned
from dlm.model.transfer import Known, Order, Source
from dlm.model.url import Url
from dlm.model.wire import Ending, Failure, Head

PIN = Digests((Digest("sha256", "a" * 64),))
URL = "https://example.org/file.zip"
PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.1"
OK, CUT = Ending(), Ending(Failure.CUT)


def rules(
    *urls: str,
    digests: Digests | None = None,
    size: int | None = None,
    known: Known | None = None,
    limit: int | None = None,
    retries: int = 2,
    budget: float = 100.0,
    headers: tuple[tuple[str, str], ...] = (),
) -> Download:
    addresses = urls or (URL,)
    sources = tuple(
        Source(url=Url.parse(url), origin=number == 0, headers=headers if number == 0 else ())
        for number, url in enumerate(addresses)
    )
    artifact = Artifact(
        resource="tool", filename="file.zip", url=URL, dest="file.zip", digests=digests or Digests(), size=size
    )
    return Download(
        Order(artifact=artifact, sources=sources, known=known),
        RetryPolicy(retries=retries, backoff=2.0, budget=budget),
        random=lambda: 0.0,
        limit=None if limit is None else Limit(limit),
    )


def head(status: int, *fields: tuple[str, str], peer: str | None = PUBLIC) -> Head:
    return Head(status=status, fields=fields, peer=peer)


def whole(size: int, etag: str | None = '"v1"', *more: tuple[str, str]) -> Head:
    return head(200, ("content-length", str(size)), *((("etag", etag),) if etag else ()), *more)


def piece(start: int, total: int, etag: str | None = '"v1"') -> Head:
    span = ("content-range", f"bytes {start}-{total - 1}/{total}")
    return head(206, ("content-length", str(total - start)), span, *((("etag", etag),) if etag else ()))


def only(kind: type[Command], commands: list[Command]) -> Command:
    """The one command of a kind."""
    [found] = [command for command in commands if isinstance(command, kind)]
    return found


def started(commands: list[Command]) -> Start:
    found = only(Start, commands)
    assert isinstance(found, Start)
    return found


def failed(commands: list[Command]) -> DlmError:
    found = only(Fail, commands)
    assert isinstance(found, Fail)
    return found.error


def sent(start: Start) -> dict[str, str]:
    return {name.lower(): value for name, value in start.headers}


class TestPlainTransfer:
    def test_from_the_first_request_to_the_commit(self) -> None:
        machine = rules()
        first = started(machine.begin())
        assert (first.attempt, str(first.url), first.span, first.public_only) == (0, URL, Span(), False)
        commands = machine.answered(0, whole(10), 0.0)
        assert [type(command) for command in commands] == [Begin, Tell, Accept]
        assert commands[0] == Begin(Validators('"v1"'), 10)
        assert commands[1] == Tell(Fetching("tool", "file.zip", URL, 10, 0))
        assert commands[2] == Accept(0, 0, 10)
        assert machine.ended(0, OK, 10) == [Commit(Digests(), None)]
        assert machine.committed() == []
        assert machine.attempts == 1
        assert machine.kept == {"content-length": "10", "etag": '"v1"'}
        assert machine.validators == Validators('"v1"')
        assert machine.final_url is None

    def test_events_of_nothing_that_runs_are_passed_by(self) -> None:
        machine = rules()
        machine.begin()
        assert machine.answered(7, whole(10), 0.0) == []
        assert machine.ended(7, CUT) == []
        assert machine.woke() == []
        assert machine.answered(0, head(103), 0.0) == []
        machine.answered(0, whole(10), 0.0)
        assert machine.answered(0, whole(10), 0.0) == []

    def test_a_body_of_another_length_than_told_is_none(self) -> None:
        machine = rules(retries=0)
        machine.begin()
        machine.answered(0, whole(10), 0.0)
        assert "9 of 10 bytes" in failed(machine.ended(0, OK, 9)).message

    def test_a_body_that_is_all_there_is_complete_however_it_ended(self) -> None:
        machine = rules()
        machine.begin()
        machine.answered(0, whole(10), 0.0)
        assert machine.ended(0, CUT, 10) == [Commit(Digests(), None)]

    def test_an_order_without_a_source_is_a_mistake(self) -> None:
        artifact = Artifact(resource="tool", filename="x", url=URL, dest="x")
        with pytest.raises(ValueError, match="source"):
            Download(Order(artifact=artifact, sources=()), RetryPolicy(), random=lambda: 0.0)

    def test_trouble_of_this_machine_ends_it(self) -> None:
        machine = rules()
        machine.begin()
        machine.answered(0, whole(10), 0.0)
        error = LocalError("no room")
        assert machine.broke(error) == [Cancel(0), Fail(error, keep=True)]
        assert machine.ended(0, CUT, 5) == []


class TestKeeping:
    """Whether what is at hand at the end may serve a later run."""

    def cut(self, machine: Download, number: int) -> Fail:
        machine.answered(number, whole(10), 0.0)
        found = only(Fail, machine.ended(number, CUT, 5))
        assert isinstance(found, Fail)
        return found

    def test_what_the_origin_sent_may(self) -> None:
        machine = rules(retries=0)
        machine.begin()
        assert self.cut(machine, 0).keep

    def test_what_a_mirror_sent_may_not_without_a_pin(self) -> None:
        for digests, keep in ((None, False), (PIN, True)):
            machine = rules(URL, "https://mirror.example/x", digests=digests, retries=0)
            machine.begin()
            machine.answered(0, head(404), 0.0)
            machine.ended(0, OK)
            assert self.cut(machine, 1).keep == keep

    def broken(self, machine: Download, number: int, answer: Head) -> bool:
        machine.answered(number, answer, 0.0)
        found = only(Fail, machine.broke(LocalError("no room")))
        assert isinstance(found, Fail)
        return found.keep

    def test_what_is_coming_when_this_machine_stands_in_the_way_goes_by_the_same_rules(self) -> None:
        machine = rules()
        machine.begin()
        assert self.broken(machine, 0, whole(10))
        for digests, keep in ((None, False), (PIN, True)):
            machine = rules(URL, "https://mirror.example/x", digests=digests)
            machine.begin()
            machine.answered(0, head(404), 0.0)
            machine.ended(0, OK)
            assert self.broken(machine, 1, whole(10)) == keep

    def test_where_nothing_is_coming_there_is_nothing_to_keep(self) -> None:
        machine = rules(digests=PIN)
        machine.begin()
        assert not self.broken(machine, 0, head(302, ("location", "/elsewhere")))

    def test_validators_of_a_mirror_are_not_written_down(self) -> None:
        machine = rules(URL, "https://mirror.example/x")
        machine.begin()
        machine.answered(0, head(404), 0.0)
        machine.ended(0, OK)
        assert only(Begin, machine.answered(1, whole(10), 0.0)) == Begin(Validators(), 10)

    def test_what_was_found_wrong_may_not(self) -> None:
        machine = rules(digests=PIN, retries=0)
        machine.begin()
        machine.answered(0, whole(10), 0.0)
        machine.ended(0, OK, 10)
        found = only(Fail, machine.rejected("the bytes differ"))
        assert isinstance(found, Fail)
        assert not found.keep

    def test_what_an_earlier_run_left_stays_where_nobody_answers(self) -> None:
        machine = rules(digests=PIN, retries=0)
        machine.begin(5, Validators('"v1"'), 10)
        found = only(Fail, machine.ended(0, Ending(Failure.REFUSED)))
        assert isinstance(found, Fail)
        assert found.keep


class TestResuming:
    def test_what_a_pin_covers_completely_needs_no_request(self) -> None:
        assert rules(digests=PIN, size=10).begin(10) == [Commit(PIN, 10)]
        assert rules(digests=PIN).begin(10, Validators(), 10) == [Commit(PIN, None)]

    def test_and_is_fetched_where_it_was_wrong(self) -> None:
        machine = rules(digests=PIN, size=10)
        machine.begin(10)
        assert started(machine.rejected("the bytes differ")).span == Span()

    def test_more_than_there_can_be_is_dropped(self) -> None:
        assert started(rules(digests=PIN, size=10).begin(11)).span == Span()
        assert started(rules(digests=PIN, size=10).begin(5, Validators(), 9)).span == Span()

    @pytest.mark.parametrize(
        ("digests", "validators", "span", "condition"),
        [
            (None, Validators('"v1"'), Span(5), '"v1"'),
            (None, Validators('W/"v1"'), Span(), None),
            (None, Validators(), Span(), None),
            (None, Validators(None, "Sun, 06 Nov 1994 08:49:37 GMT"), Span(5), "Sun, 06 Nov 1994 08:49:37 GMT"),
            (PIN, Validators('"v1"'), Span(5), '"v1"'),
            (PIN, Validators('W/"v1"'), Span(5), None),
            (PIN, Validators(), Span(5), None),
        ],
    )
    def test_what_is_asked_for(
        self, digests: Digests | None, validators: Validators, span: Span, condition: str | None
    ) -> None:
        start = started(rules(digests=digests).begin(5, validators, 10))
        assert start.span == span
        assert sent(start).get("range") == (None if span.whole else "bytes=5-")
        assert sent(start).get("if-range") == condition

    def test_a_piece_that_fits_completes_the_file(self) -> None:
        machine = rules()
        machine.begin(5, Validators('"v1"'), 10)
        commands = machine.answered(0, piece(5, 10), 0.0)
        assert only(Accept, commands) == Accept(0, 5, 5)
        assert machine.ended(0, OK, 5) == [Commit(Digests(), None)]
        assert machine.kept["content-length"] == "10"

    def test_a_piece_without_a_validator_is_none_without_a_pin(self) -> None:
        for digests, fits in ((None, False), (PIN, True)):
            machine = rules(digests=digests)
            machine.begin(5, Validators('"v1"'), 10)
            commands = machine.answered(0, piece(5, 10, etag=None), 0.0)
            assert any(isinstance(command, Accept) for command in commands) == fits

    def test_a_mirror_is_not_asked_for_a_piece_without_a_pin(self) -> None:
        machine = rules(URL, "https://mirror.example/x", retries=0)
        machine.begin()
        machine.answered(0, whole(10), 0.0)
        assert started(machine.ended(0, CUT, 5)).span == Span()

    def test_wrong_bytes_in_pieces_are_fetched_whole_from_the_same_source_once(self) -> None:
        machine = rules(digests=PIN)
        machine.begin(5, Validators('"v1"'), 10)
        machine.answered(0, piece(5, 10), 0.0)
        machine.ended(0, OK, 5)
        again = started(machine.rejected("the bytes differ"))
        assert (str(again.url), again.span) == (URL, Span())
        machine.answered(1, whole(10), 0.0)
        machine.ended(1, OK, 10)
        assert isinstance(failed(machine.rejected("the bytes differ")), IntegrityError)


class TestConditional:
    def known(self, etag: str | None = '"v1"', modified: str | None = None) -> Known:
        headers = {"etag": '"v1"', "content-type": "text/plain"}
        return Known(digests=PIN, size=10, validators=Validators(etag, modified), headers=headers)

    def test_the_known_blob_is_confirmed(self) -> None:
        machine = rules(known=self.known())
        assert sent(started(machine.begin()))["if-none-match"] == '"v1"'
        assert machine.answered(0, head(304, ("etag", 'W/"v1"')), 0.0) == [Drop(0, small=False)]
        assert machine.ended(0, OK) == [Reuse()]
        assert machine.kept == self.known().headers
        assert machine.validators == Validators('W/"v1"')

    def test_by_date_where_there_is_no_etag(self) -> None:
        start = started(rules(known=self.known(None, "Sun, 06 Nov 1994 08:49:37 GMT")).begin())
        assert sent(start)["if-modified-since"] == "Sun, 06 Nov 1994 08:49:37 GMT"

    def test_never_of_a_mirror_or_with_a_pin_or_without_a_validator(self) -> None:
        for machine in (
            rules(known=self.known(), digests=PIN),
            rules(known=self.known(None)),
        ):
            assert not {"if-none-match", "if-modified-since"} & set(sent(started(machine.begin())))
        machine = rules(URL, "https://mirror.example/x", known=self.known())
        machine.begin()
        machine.answered(0, head(404), 0.0)
        assert "if-none-match" not in sent(started(machine.ended(0, OK)))

    def test_a_304_for_another_version_is_asked_again_without_a_condition(self) -> None:
        machine = rules(known=self.known())
        machine.begin()
        machine.answered(0, head(304, ("etag", '"v2"')), 0.0)
        assert "if-none-match" not in sent(started(machine.ended(0, OK)))
        machine.answered(1, head(304), 0.0)
        assert isinstance(failed(machine.ended(1, OK)), NetworkError)

    def test_a_blob_that_is_gone_is_fetched(self) -> None:
        machine = rules(known=self.known())
        machine.begin()
        machine.answered(0, head(304), 0.0)
        machine.ended(0, OK)
        assert "if-none-match" not in sent(started(machine.missing()))


class TestTryingAgain:
    def test_waits_double_and_are_told(self) -> None:
        machine = rules(retries=2)
        commands = machine.begin()
        waits = []
        for number in range(3):
            started(commands)
            commands = machine.ended(number, Ending(Failure.CLOSED))
            if number < 2:
                wait = only(Wait, commands)
                assert isinstance(wait, Wait)
                assert wait.host is None
                waits.append(wait.seconds)
                told = only(Tell, commands)
                assert isinstance(told, Tell)
                assert isinstance(told.event, Retrying)
                assert told.event.attempt == number + 1
                commands = machine.woke()
        assert waits == [1.0, 2.0]
        assert "3 times" in failed(commands).message

    @pytest.mark.fault("H11")
    def test_a_status_makes_the_whole_host_wait(self) -> None:
        machine = rules()
        machine.begin()
        machine.answered(0, head(503, ("retry-after", "7")), 0.0)
        assert only(Wait, machine.ended(0, OK)) == Wait(7.0, "https://example.org")

    def test_patience_is_bounded_over_all_sources(self) -> None:
        machine = rules(URL, "https://mirror.example/x", retries=5, budget=4.0)
        commands = machine.begin()
        waited = 0.0
        number = 0
        while not any(isinstance(command, Fail) for command in commands):
            waited += sum(command.seconds for command in commands if isinstance(command, Wait))
            if any(isinstance(command, Start) for command in commands):
                commands = machine.ended(number, Ending(Failure.CLOSED))
                number += 1
            else:
                commands = machine.woke()
        assert waited <= 4.0
        error = failed(commands)
        assert all("retry_budget leaves" in detail for detail in error.details)

    @pytest.mark.fault("T03")
    def test_a_name_without_an_address_is_looked_up_twice_at_most(self) -> None:
        machine = rules(retries=9)
        machine.begin()
        machine.ended(0, Ending(Failure.DNS))
        started(machine.woke())
        assert "example.org" in failed(machine.ended(1, Ending(Failure.DNS))).message

    @pytest.mark.fault("T01")
    def test_trust_is_not_retried(self) -> None:
        machine = rules(retries=9)
        machine.begin()
        error = failed(machine.ended(0, Ending(Failure.TLS, "certificate expired")))
        assert error.hint is not None
        assert "certificate expired" not in error.message

    @pytest.mark.fault("T06")
    def test_another_source_is_asked_at_once_where_nobody_listens(self) -> None:
        machine = rules(URL, "https://mirror.example/x")
        machine.begin()
        commands = machine.ended(0, Ending(Failure.REFUSED))
        assert [type(command) for command in commands] == [Tell, Start]
        assert started(commands).url.host == "mirror.example"
        told = commands[0]
        assert isinstance(told, Tell)
        assert told.event == SourceFailed("tool", URL, "example.org refused the connection")
        # Behind it the first one has its other tries.
        machine.answered(1, head(404), 0.0)
        commands = machine.ended(1, OK)
        only(Wait, commands)
        assert started(machine.woke()).url.host == "example.org"

    @pytest.mark.fault("H29")
    def test_a_refused_stream_costs_no_try(self) -> None:
        machine = rules(retries=0)
        commands = machine.begin()
        for number in range(10):
            started(commands)
            commands = machine.ended(number, Ending(Failure.STREAM_REFUSED))
        started(commands)
        failed(machine.ended(10, Ending(Failure.STREAM_REFUSED)))

    @pytest.mark.parametrize("failure", [one for one in Failure if one is not Failure.STOPPED])
    def test_every_failure_has_a_sentence(self, failure: Failure) -> None:
        machine = rules(retries=0)
        commands = machine.begin()
        for number in range(11 if failure is Failure.STREAM_REFUSED else 1):
            started(commands)
            commands = machine.ended(number, Ending(failure, "what the library says"))
        error = failed(commands)
        assert error.message.startswith(f"{URL}: ")
        assert "library" not in error.message
        assert "{" not in error.message


@pytest.mark.fault("R06")
class TestPrivateAddresses:
    def redirected(self, peer: str | None, target: str = "https://inner.example/x") -> tuple[Download, Start]:
        machine = rules()
        machine.begin()
        machine.answered(0, head(302, ("location", target), peer=peer), 0.0)
        return machine, started(machine.ended(0, OK))

    def test_behind_a_public_host_only_public_ones_may_answer(self) -> None:
        machine, second = self.redirected(PUBLIC)
        assert second.public_only
        machine.answered(1, head(302, ("location", "/y"), peer=PUBLIC), 0.0)
        assert started(machine.ended(1, OK)).public_only

    def test_a_host_of_ones_own_may_lead_where_it_likes(self) -> None:
        machine, second = self.redirected(PRIVATE)
        assert not second.public_only
        machine.answered(1, head(302, ("location", "/y"), peer=PUBLIC), 0.0)
        assert not started(machine.ended(1, OK)).public_only

    def test_behind_a_proxy_nobody_knows(self) -> None:
        assert not self.redirected(None)[1].public_only

    def test_it_is_a_matter_of_policy(self) -> None:
        machine, _ = self.redirected(PUBLIC)
        error = failed(machine.ended(1, Ending(Failure.PRIVATE)))
        assert isinstance(error, PolicyError)
        assert "inner.example" in error.message


class TestRedirects:
    def test_what_the_user_sends_ends_at_the_border_of_the_origin(self) -> None:
        machine = rules(headers=(("X-Key", "value"),))
        assert "x-key" in sent(started(machine.begin()))
        machine.answered(0, head(302, ("location", "/y")), 0.0)
        assert "x-key" in sent(started(machine.ended(0, OK)))
        machine.answered(1, head(302, ("location", "https://example.org:8443/z")), 0.0)
        assert "x-key" not in sent(started(machine.ended(1, OK)))
        machine.answered(2, head(302, ("location", "https://example.org/back")), 0.0)
        assert "x-key" not in sent(started(machine.ended(2, OK)))

    def test_a_small_body_may_be_read_a_large_one_not(self) -> None:
        for length, small in (("0", True), ("16384", True), ("16385", False), (None, False)):
            machine = rules()
            machine.begin()
            fields = (("location", "/y"), *((("content-length", length),) if length else ()))
            assert machine.answered(0, head(302, *fields), 0.0) == [Drop(0, small=small)]

    def test_credentials_that_did_not_come_along_are_the_hint(self) -> None:
        machine = rules(headers=(("X-Key", "value"),))
        machine.begin()
        machine.answered(0, head(302, ("location", "https://other.example/")), 0.0)
        machine.ended(0, OK)
        machine.answered(1, head(403), 0.0)
        error = failed(machine.ended(1, OK))
        assert isinstance(error, RefusedError)
        assert error.hint is not None
        assert "redirect" in error.hint


class TestBodies:
    @pytest.mark.fault("H03")
    def test_without_a_length_there_is_a_word_of_warning(self) -> None:
        machine = rules()
        machine.begin()
        machine.answered(0, head(200), 0.0)
        machine.ended(0, OK, 10)
        assert not machine.complete
        told = only(Tell, machine.committed())
        assert isinstance(told, Tell)
        assert isinstance(told.event, Warned)

    @pytest.mark.parametrize(("digests", "size"), [(PIN, None), (None, 10)])
    def test_but_not_where_something_is_pinned(self, digests: Digests | None, size: int | None) -> None:
        machine = rules(digests=digests, size=size)
        machine.begin()
        machine.answered(0, head(200), 0.0)
        machine.ended(0, OK, 10)
        assert machine.committed() == []

    def test_limits_bound_what_is_taken(self) -> None:
        for size, limit, bound in ((7, None, 7), (None, 5, 5), (7, 5, 5), (None, None, None)):
            machine = rules(size=size, limit=limit)
            machine.begin()
            assert only(Accept, machine.answered(0, head(200), 0.0)) == Accept(0, 0, bound)

    @pytest.mark.parametrize(
        ("size", "limit", "kind"), [(7, None, IntegrityError), (None, 7, PolicyError), (None, None, NetworkError)]
    )
    def test_more_than_may_come(self, size: int | None, limit: int | None, kind: type[DlmError]) -> None:
        machine = rules(size=size, limit=limit, retries=9)
        machine.begin()
        machine.answered(0, head(200), 0.0)
        assert type(failed(machine.ended(0, Ending(Failure.TOO_LONG), 7))) is kind


class TestErrors:
    @pytest.mark.fault("I03")
    def test_the_gravest_reason_names_the_error_and_all_are_listed(self) -> None:
        machine = rules(URL, "https://m1.example/x", "https://m2.example/x", digests=PIN, retries=0)
        machine.begin()
        machine.answered(0, head(404), 0.0)
        machine.ended(0, OK)
        machine.answered(1, whole(10), 0.0)
        machine.ended(1, OK, 10)
        machine.rejected("sha256: expected aaa, got bbb")
        error = failed(machine.ended(2, Ending(Failure.CLOSED)))
        assert isinstance(error, IntegrityError)
        assert error.resource == "tool"
        assert error.details == (
            f"{URL}: it answered 404 Not Found",
            "https://m1.example/x: sha256: expected aaa, got bbb",
            "https://m2.example/x: m2.example closed the connection without an answer",
        )
        assert "m1.example" in error.message
        assert error.hint is not None
        assert error.hint.startswith("the mirror has other bytes than the origin; remove it from mirrors")

    def test_refused_by_all_is_refused_and_by_some_is_not(self) -> None:
        for second, kind in ((OK, RefusedError), (Ending(Failure.CLOSED), NetworkError)):
            machine = rules(URL, "https://m1.example/x", retries=0)
            machine.begin()
            machine.answered(0, head(404), 0.0)
            machine.ended(0, OK)
            if second == OK:
                machine.answered(1, head(410), 0.0)
            assert type(failed(machine.ended(1, second))) is kind
