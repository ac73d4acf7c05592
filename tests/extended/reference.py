"""The standard's event stream, read slowly: what the fast parser is compared with.

Every step is a sentence of WHATWG HTML, "Interpreting an event stream", or of the Encoding standard, in
their order and without a thought for speed. Nothing here is shared with the parser: not even the decoder
is Python's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Event = tuple[str, str, str, int | None]  # event, data, id, retry

LONGEST_RETRY = 24 * 60 * 60 * 1000


def decode_utf8(stream: bytes) -> str:
    """The Encoding standard's "UTF-8 decode": one BOM dropped, malformed parts replaced by U+FFFD."""
    if stream[:3] == b"\xef\xbb\xbf":
        stream = stream[3:]
    text: list[str] = []
    point = needed = seen = 0
    lower, upper = 0x80, 0xBF
    position = 0
    while position < len(stream):
        byte = stream[position]
        position += 1
        if needed == 0:
            if byte <= 0x7F:
                text.append(chr(byte))
            elif 0xC2 <= byte <= 0xDF:
                needed, point = 1, byte & 0x1F
            elif 0xE0 <= byte <= 0xEF:
                if byte == 0xE0:
                    lower = 0xA0
                if byte == 0xED:
                    upper = 0x9F
                needed, point = 2, byte & 0xF
            elif 0xF0 <= byte <= 0xF4:
                if byte == 0xF0:
                    lower = 0x90
                if byte == 0xF4:
                    upper = 0x8F
                needed, point = 3, byte & 0x7
            else:
                text.append("\ufffd")
            continue
        if not lower <= byte <= upper:
            text.append("\ufffd")
            point = needed = seen = 0
            lower, upper = 0x80, 0xBF
            position -= 1  # the byte that does not fit begins something new
            continue
        lower, upper = 0x80, 0xBF
        point = point << 6 | byte & 0x3F
        seen += 1
        if seen == needed:
            text.append(chr(point))
            point = needed = seen = 0
    if needed:
        text.append("\ufffd")
    return "".join(text)


def complete_lines(text: str) -> list[str]:
    """The lines that have ended. A CR ends its line whatever comes next, so nothing has to be waited for."""
    lines: list[str] = []
    line = ""
    after_cr = False
    for char in text:
        if char == "\n" and after_cr:
            after_cr = False
            continue
        after_cr = char == "\r"
        if char in "\r\n":
            lines.append(line)
            line = ""
        else:
            line += char
    return lines


@dataclass
class Reference:
    """A stream, or the beginning of one, interpreted from its first byte."""

    last_event_id: str = ""
    retry: int | None = None
    events: list[Event] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    too_large: bool = False


def interpret(stream: bytes, last_event_id: str = "", max_event_size: int | None = None) -> Reference:
    """All that has happened when exactly these bytes have arrived."""
    return interpret_lines(complete_lines(decode_utf8(stream)), last_event_id, max_event_size)


def interpret_lines(lines: list[str], last_event_id: str = "", max_event_size: int | None = None) -> Reference:
    result = Reference(last_event_id)
    data_buffer = type_buffer = ""
    id_buffer = last_event_id
    own_retry: int | None = None
    for line in lines:
        if line == "":
            dispatched = data_buffer != ""
            if dispatched:
                if data_buffer[-1] == "\n":
                    data_buffer = data_buffer[:-1]
                size = len((type_buffer + data_buffer + id_buffer).encode("utf-8"))
                if max_event_size is not None and size > max_event_size:
                    result.too_large = True
                    return result
            result.last_event_id = id_buffer
            if dispatched:
                result.events.append((type_buffer or "message", data_buffer, result.last_event_id, own_retry))
            data_buffer = type_buffer = ""
            own_retry = None
            continue
        if line[0] == ":":
            result.comments.append(line[1:])
            continue
        name, value = line, ""
        if ":" in line:
            colon = line.index(":")
            name, value = line[:colon], line[colon + 1 :]
            if value[:1] == " ":
                value = value[1:]
        if name == "event":
            type_buffer = value
        elif name == "data":
            data_buffer += value + "\n"
        elif name == "id":
            id_buffer = id_buffer if "\0" in value else value
        elif name == "retry" and value != "" and all(char in "0123456789" for char in value):
            number = 0
            for char in value:
                number = min(number * 10 + ord(char) - ord("0"), LONGEST_RETRY)
            result.retry = own_retry = number
    return result
