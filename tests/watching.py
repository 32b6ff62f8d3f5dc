"""What a run shows: a reporter that keeps it; what TensorBoard makes of its files."""

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog


class Shown:
    """Keeps what a reporter is told."""

    def __init__(self):
        self.bars, self.statuses, self.lines, self.summaries = [], [], [], []

    def progress(self, what, done, total, note="", *, pace=""):
        self.bars.append((what, done, total, note, pace))

    def status(self, line, facts):
        self.statuses.append((line, dict(facts)))

    def line(self, text):
        self.lines.append(text)

    def summary(self, text):
        self.summaries.append(text)


def shown_by_tensorboard(folder: Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of a folder of event files, as TensorBoard reads them.

    Files by name, one after the other, each up to where it is torn; where a session
    starts at a step, what is known of that step and later ones is forgotten.
    """
    known = []
    for file in sorted(folder.iterdir()):
        data, at = file.read_bytes(), 0
        while len(data) - at > 16:
            (size,) = struct.unpack_from("<Q", data, at)
            record, at = data[at + 12 : at + 12 + size], at + 16 + size
            if len(record) < size:
                break
            event = Event.FromString(record)
            if event.session_log.status == SessionLog.START:
                known = [one for one in known if one[1] < event.step]
            values = [(v.tag, event.step, v.simple_value) for v in event.summary.value]
            known += values
    return known
