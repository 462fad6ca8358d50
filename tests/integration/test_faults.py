"""What the daemon does on each class of answer, against the stand-in over TLS."""

from daemon import Daemon, configuration, soon

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")


def one_slot(cloud, count=1, least=6):
    """A configuration whose next slot is due in a few seconds and has a period, of at least so many seconds, to end in."""
    names = [f"crs-faul{number:04d}" for number in range(count)]
    period, _due = soon(least, 2.5)
    nightly = {"every": f"{period}s", "start_within": f"{least - 1}s", "instances": names}
    return configuration(cloud, {"nightly": nightly}, requests={"connect_timeout": "2s", "timeout": "2s"}), names


def rules(fates, **match):
    """One rule an instance: its first call meets its fate."""
    return [{"match": {"instance": name, "nth": 1, "per": "instance", **match}, "do": fate} for name, fate in fates.items()]


def named(fates):
    return {f"crs-faul{number:04d}": fate for number, fate in enumerate(fates)}


def error(code, **more):
    return {"fault": "error", "code": code, **more}


def test_safe_codes_are_sent_again(stand_in):
    fates = named([
        error("RequestLimitExceeded"), error("RequestLimitExceeded.UinLimitExceeded"),
        error("ResourceUnavailable.InstanceLockedError"), error("ResourceUnavailable.InstanceStateError"),
        error("ResourceUnavailable.InstanceStatusAbnormal"), error("ServiceUnavailable"),
    ])
    cloud = stand_in("--any-instance")
    cloud.set_faults(*rules(fates))
    config, names = one_slot(cloud, count=len(fates), least=20)
    with Daemon(config, KEYS) as daemon:
        submitted = daemon.wait_for("backup_submitted", len(names), timeout=35)
        assert daemon.stop() == 0
    assert {event["instance"]: event["attempt"] for event in submitted} == dict.fromkeys(names, "2")
    assert {event["instance"]: event["code"] for event in daemon.events("backup_retry")} == {
        name: fate["code"] for name, fate in fates.items()}
    for name in names:
        assert [arrival["acted"] for arrival in cloud.arrivals() if arrival["instance"] == name] == [False, True]


def test_an_ambiguous_answer_is_not_sent_again(stand_in):
    fates = named([
        {"fault": "reset-before"}, {"fault": "reset-after"}, {"fault": "lost"}, {"fault": "close-before"}, {"fault": "close-after"},
        {"fault": "http", "status": 502, "act": True}, {"fault": "http", "status": 500}, {"fault": "garbage"}, {"fault": "truncate"},
        {"fault": "wrong-length"}, {"fault": "invalid-json"}, {"fault": "huge"},
        error("InternalError.InternalError"), error("FailedOperation.SystemError", act=True), error("FailedOperation.CommitFlowError"),
        error("SomethingNew.NobodyKnows"),
    ])
    cloud = stand_in("--any-instance")
    cloud.set_faults(*rules(fates))
    config, names = one_slot(cloud, count=len(fates) + 1, least=10)
    with Daemon(config, KEYS) as daemon:
        unknown = daemon.wait_for("backup_unknown", len(fates), timeout=35)
        submitted = daemon.wait_for("backup_submitted", 1)
        assert daemon.stop() == 0
    assert {event["instance"] for event in unknown} == set(fates)
    assert [event["instance"] for event in submitted] == [names[-1]]
    assert sorted(arrival["instance"] for arrival in cloud.arrivals()) == names
    assert all(event["code"] for event in unknown)


def test_a_final_answer_fails_at_once(stand_in):
    codes = ["AuthFailure.SignatureFailure", "UnauthorizedOperation.NoCAMAuthed", "InvalidParameter.PermissionDenied",
             "InvalidParameter.InvalidParameter", "ResourceNotFound.InstanceNotExists", "LimitExceeded"]
    fates = named([error(code) for code in codes])
    cloud = stand_in("--any-instance")
    cloud.set_faults(*rules(fates))
    config, names = one_slot(cloud, count=len(fates))
    with Daemon(config, KEYS) as daemon:
        failed = daemon.wait_for("backup_failed", len(fates), timeout=35)
        assert daemon.stop() == 0
    assert {event["instance"]: event["code"] for event in failed} == {name: fate["code"] for name, fate in fates.items()}
    assert all(event["request_id"] and event["message"] for event in failed)
    assert sorted(arrival["instance"] for arrival in cloud.arrivals()) == names


def test_a_skewed_clock_is_learnt(stand_in):
    cloud = stand_in("--any-instance", "--skew", "400s")
    config, names = one_slot(cloud)
    with Daemon(config, KEYS) as daemon:
        submitted = daemon.wait_for("backup_submitted", 1, timeout=35)[0]
        assert daemon.stop() == 0
    assert submitted["attempt"] == "2"
    assert daemon.events("backup_retry")[0]["code"] == "AuthFailure.SignatureExpire"


def test_a_dead_endpoint_is_tried_until_it_lives(stand_in):
    cloud = stand_in("--any-instance")
    config, names = one_slot(cloud, count=3, least=20)
    cloud.set_faults({"match": {"after": "0s"}, "do": {"fault": "refuse", "for": "8s"}})
    with Daemon(config, KEYS) as daemon:
        submitted = daemon.wait_for("backup_submitted", 3, timeout=35)
        assert daemon.stop() == 0
    assert {event["instance"] for event in submitted} == set(names)
    assert {event["code"] for event in daemon.events("backup_retry")} == {"Client.NotSent"}
    assert len(cloud.arrivals()) == 3


def test_throttling_slows_the_bucket(stand_in):
    """Another program of the account uses half of the cloud's twenty."""
    cloud = stand_in("--any-instance", "--other-calls", "10")
    config, names = one_slot(cloud, count=60, least=30)
    with Daemon(config, KEYS) as daemon:
        submitted = daemon.wait_for("backup_submitted", 60, timeout=40)
        assert daemon.stop() == 0
    assert {event["instance"] for event in submitted} == set(names)
    assert daemon.events("throttled")
    refused = [arrival for arrival in cloud.arrivals() if not arrival["acted"]]
    assert len(refused) < 40
    assert not cloud.stats()["duplicates"]
