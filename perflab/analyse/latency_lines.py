"""The lines of ``latency.csv`` as whole numbers: a field's bytes taken eight at a time, or a hash of them.

A whole line has eight fields without a quote. Of a block of lines the commas and line ends are found in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BufferedReader
from itertools import count
from typing import Any

import numpy as np

from perflab.analyse.summary import Ints

Words = np.ndarray[Any, np.dtype[np.uint64]]
Field = tuple[Words, Callable[[int], bytes]]
"""One field of all lines: as words, and what returns the bytes of one of them."""

# What is done with a block stays in the processor's cache, and in memory that was used for the last one.
_BLOCK_BYTES = 1 << 19
# Longer fields than any that are written; so far a field's last eight bytes may be read beyond the block's end.
_MAX_FIELD = 8192
# Of the bytes of a word that belong to the field, by how many do.
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(9)], "u8")
FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT, _ONE = np.uint64(29), np.uint64(1)
_COMMAS, _LOW_BITS = (np.uint64(byte * 0x0101010101010101) for byte in (ord(","), 0x7F))


class NotPlainError(Exception):
    """The file is damaged, or written in a way that is not the recorder's."""


class Lines:
    """The lines of a file, block by block: the same memory is used again and again."""

    def __init__(self) -> None:
        self._buffer = bytearray(_BLOCK_BYTES + _MAX_FIELD)
        self._bytes = np.frombuffer(self._buffer, "u1", _BLOCK_BYTES)
        self._aligned: Words = np.frombuffer(self._buffer, "<u8")
        # At each byte the eight from there on.
        self._words: Words = np.ndarray((len(self._buffer) - 7,), "<u8", self._buffer, strides=(1,))
        self._newline = np.empty(_BLOCK_BYTES, "bool")
        self._filled = self._end = 0

    def fill(self, file: BufferedReader) -> bool:
        """Read on; returns whether there are lines, or else the end of the file was reached."""
        kept = self._filled - self._end
        self._buffer[:kept] = self._buffer[self._end : self._filled]
        self._filled = kept + file.readinto(memoryview(self._buffer)[kept:_BLOCK_BYTES])
        self._end = self._buffer.rfind(b"\n", 0, self._filled) + 1
        if self._filled == _BLOCK_BYTES and not self._end:
            raise NotPlainError
        return self._end > 0

    @property
    def torn(self) -> bool:
        """Whether a line without its end is left."""
        return self._filled > self._end

    def fields(self) -> tuple[Field, Field, Field, Field]:
        """Return second, series, latency and count of all lines.

        They end at the first comma of a line, at the last but one, at the last, and at its end. That no comma is where
        none may be shows when the fields are parsed.
        """
        if any(self._buffer.find(unusual, 0, self._end) >= 0 for unusual in (b'"', b"\r", b"\0")):
            raise NotPlainError
        end = self._line_ends()
        start = np.concatenate(([0], end[:-1] + 1))
        second, length = _before_comma(self._words[start])
        second_end = start + length
        count, length = _before_comma(self._words[end - 8].byteswap())
        latency_end = end - length - 1
        if max(int((second_end - start).max()), int(length.max())) > 7:
            raise NotPlainError
        latency, length = _before_comma(self._words[latency_end - 8].byteswap())
        if len(longer := np.flatnonzero(length > 7)):
            rest, more = _before_comma(self._words[latency_end[longer] - 16].byteswap())
            latency[longer] = _mixed(latency[longer], rest)
            length[longer] += more
        series_end = latency_end - length - 1
        return (
            self._field(second, start, second_end),
            self._field(self._hashed(second_end + 1, series_end), second_end + 1, series_end),
            self._field(latency, series_end + 1, latency_end),
            self._field(count, latency_end + 1, end),
        )

    def _line_ends(self) -> Ints:
        newline = self._newline
        np.equal(self._bytes, ord("\n"), out=newline)
        newline[self._end :] = False
        # Eight bytes at once: no line is as short.
        eights = newline.view("<u8")
        places = np.flatnonzero(eights != 0)
        ends: Ints = places * 8 + _lowest_byte(eights[places])
        if len(ends) != np.count_nonzero(newline) or ends[0] < 16:
            raise NotPlainError
        return ends

    def _field(self, words: Words, start: Ints, end: Ints) -> Field:
        return words, lambda at: bytes(self._buffer[start[at] : end[at]])

    def _successive(self, start: Ints) -> Iterator[Words]:
        """Yield the eight bytes from each place on, then the next eight, and so on.

        Memory is read where words are aligned, each but once, which costs half of what it does elsewhere.
        """
        at, bits = start >> 3, (start & 7).astype("u8") << np.uint64(3)
        rest = np.uint64(64) - bits
        low = self._aligned[at]
        for following in count(1):
            high = self._aligned[at + following]
            yield (low >> bits) | (high << rest)
            low = high

    def _hashed(self, start: Ints, end: Ints) -> Words:
        """Return a hash of the bytes of each field."""
        length = end - start
        longest, shortest = int(length.max()), int(length.min())
        if shortest < 0 or longest > _MAX_FIELD:
            raise NotPlainError
        successive = self._successive(start)
        words = next(successive)
        if shortest < 8:
            words &= _MASKS[np.minimum(length, 8)]
        for at in range(8, longest, 8):
            if at + 8 <= shortest:
                words = _mixed(words, next(successive))
            else:
                longer = np.flatnonzero(length > at)
                following = self._words[start[longer] + at] & _MASKS[np.minimum(length[longer] - at, 8)]
                words[longer] = _mixed(words[longer], following)
        return words


def _before_comma(words: Words) -> tuple[Words, Ints]:
    """Return words with the bytes below their lowest comma only, and how many these are; all 8 without a comma."""
    differing = words ^ _COMMAS
    # The highest bit of each byte that is a comma.
    commas = ~(((differing & _LOW_BITS) + _LOW_BITS) | differing | _LOW_BITS)
    lowest = commas & (~commas + _ONE)
    return words & ((lowest >> np.uint64(7)) - _ONE), _lowest_byte(commas)


def _lowest_byte(words: Words) -> Ints:
    """Return the place of the lowest byte of each word that is not 0; 8 if all are."""
    return np.bitwise_count(~words & (words - _ONE)).astype("int64") >> 3


def _mixed(words: Words, following: Words) -> Words:
    """Return a hash of the words so far and the next ones: one-to-one in either."""
    words = words * FACTOR
    words ^= words >> _SHIFT
    words ^= following
    return words
