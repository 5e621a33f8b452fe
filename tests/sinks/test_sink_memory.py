from gradhook.sinks import Memory


def test_reports_are_kept_in_order_after_close(make_report):
    memory, reports = Memory(), [make_report(step=1), make_report(step=2)]
    for report in reports:
        memory.write(report)
    memory.close()
    assert memory.reports == reports
    assert memory.reports[0] is reports[0]


def test_two_memories_share_nothing(make_report):
    first, second = Memory(), Memory()
    first.write(make_report())
    assert second.reports == []
